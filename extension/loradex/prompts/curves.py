"""Strengths that change during a pass: `0@0,1@0.5` is 0 at its begin and 1 from its middle on.

The syntax is sd-webui-loractl's: `value@position`, joined by commas or semicolons, straight lines
in between, and the first and last value outside. Positions are parts of the pass where all are
at most 1, else steps from 0.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from dataclasses import dataclass

_GRAIN = 64
"""Values between two points are multiples of 1/64, so that a slow curve is not work every step."""

_POINTS = re.compile("[,;]")
_AT = re.compile("[@~]")


@dataclass(frozen=True)
class Moment:
    """A step of a pass, from 0, and how many the pass has."""

    step: int = 0
    steps: int = 1

    @property
    def fraction(self) -> float:
        """0 in the first step, 1 in the last."""
        return min(1.0, max(0.0, self.step / (self.steps - 1))) if self.steps > 1 else 0.0


BEGIN = Moment()


@dataclass(frozen=True)
class Curve:
    """Two or more points (position, value) in the order of their positions."""

    points: tuple[tuple[float, float], ...]

    @property
    def in_steps(self) -> bool:
        return self.points[-1][0] > 1

    def at(self, moment: Moment) -> float:
        """The value in that step; equal positions are a jump, made at the position."""
        where = float(moment.step) if self.in_steps else moment.fraction
        after = bisect_right(self.points, where, key=lambda point: point[0])
        if after in (0, len(self.points)):
            return self.points[min(after, len(self.points) - 1)][1]
        (left, low), (right, high) = self.points[after - 1], self.points[after]
        if where == left or low == high:
            return low
        exact = low + (high - low) * ((where - left) / (right - left))
        rounded = math.floor(exact * _GRAIN + 0.5) / _GRAIN
        return min(max(rounded, min(low, high)), max(low, high))

    def __str__(self) -> str:
        return ",".join(f"{number(value)}@{number(place)}" for place, value in self.points)


Strength = float | Curve


def strength_at(strength: Strength, moment: Moment = BEGIN) -> float:
    return strength.at(moment) if isinstance(strength, Curve) else strength


def read_strength(text: str) -> Strength | None:
    """A number or a curve; a curve that never changes is its number. `None`: it is neither."""
    if not _AT.search(text):
        return finite(text)
    points: list[tuple[float, float]] = []
    for index, part in enumerate(_POINTS.split(text)):
        value, *place = _AT.split(part)
        if len(place) > 1 or (not place and index == 0):
            return None
        # loractl: a value alone, after the first, is the one at the end
        read = (finite(place[0]) if place else 1.0, finite(value))
        if read[0] is None or read[1] is None or read[0] < 0:
            return None
        points.append((read[0], read[1]))
    points.sort(key=lambda point: point[0])
    return points[0][1] if len({value for _, value in points}) == 1 else Curve(tuple(points))


def finite(text: str) -> float | None:
    """The number that a text is, if it is one."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def number(value: float) -> str:
    """The shortest text that reads back as the number."""
    return repr(float(value)).removesuffix(".0")


def written(strength: Strength) -> str:
    return str(strength) if isinstance(strength, Curve) else number(strength)
