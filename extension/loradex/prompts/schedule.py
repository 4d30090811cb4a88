"""When a network acts during a run: curves, `start=`, `stop=`, and other numbers for hires."""

from __future__ import annotations

from dataclasses import dataclass

from loradex.prompts.curves import (
    BEGIN,
    Curve,
    Moment,
    Strength,
    finite,
    number,
    strength_at,
    written,
)


@dataclass(frozen=True)
class Bound:
    """A place in a pass: a step from 0, or a part of the pass."""

    value: float
    in_steps: bool

    def reached(self, moment: Moment) -> bool:
        return (moment.step if self.in_steps else moment.fraction) >= self.value

    def __str__(self) -> str:
        text = number(self.value)
        return text if self.in_steps or "." in text or "e" in text else f"{text}.0"


def read_bound(text: str) -> Bound | None:
    """`10` is a step, `0.5` half of the pass; `None`: it is neither."""
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return Bound(float(text), in_steps=True)
    value = finite(text)
    return None if value is None or not 0 <= value <= 1 else Bound(value, in_steps=False)


@dataclass(frozen=True)
class Schedule:
    """The strengths of a tag over the first pass and the second of hires fix.

    The text encoders read the prompt before the first step, so theirs is the value at the begin.
    The second pass takes `hr_te` and `hr_unet` where they are given; each pass has all positions.
    """

    te: Strength = 1.0
    unet: Strength = 1.0
    hr_te: Strength | None = None
    hr_unet: Strength | None = None
    start: Bound | None = None
    stop: Bound | None = None

    @property
    def plain(self) -> bool:
        """Whether it is two numbers for the whole run."""
        others = (self.hr_te, self.hr_unet, self.start, self.stop)
        return not any(isinstance(one, Curve) for one in (self.te, self.unet)) and not any(
            one is not None for one in others)

    @property
    def for_hires(self) -> bool:
        """Whether the second pass has strengths of its own."""
        return self.hr_te is not None or self.hr_unet is not None

    def te_at(self, hires: bool = False) -> float:
        return strength_at(self.te if not hires or self.hr_te is None else self.hr_te)

    def unet_at(self, moment: Moment = BEGIN, hires: bool = False) -> float:
        if self.start is not None and not self.start.reached(moment):
            return 0.0
        if self.stop is not None and self.stop.reached(moment):
            return 0.0
        chosen = self.unet if not hires or self.hr_unet is None else self.hr_unet
        return strength_at(chosen, moment)

    def options(self) -> tuple[str, ...]:
        """What a tag says of it beside the first pass's strengths."""
        found: list[str] = []
        if self.hr_te is not None and self.hr_te == self.hr_unet:
            found.append(f"hr={written(self.hr_te)}")
        else:
            found += [f"{key}={written(one)}"
                      for key, one in (("hrte", self.hr_te), ("hrunet", self.hr_unet))
                      if one is not None]
        found += [f"{key}={one}"
                  for key, one in (("start", self.start), ("stop", self.stop)) if one is not None]
        return tuple(found)
