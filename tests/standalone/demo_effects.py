"""What each demo network does to a picture, as one number that grows with its strength."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

GOLD = (212 / 255, 168 / 255, 40 / 255)


@dataclass(frozen=True)
class Effect:
    """A prompt on which the network shows, and the measure of a picture [h, w, 3] in 0..1.

    At the strength `between` the effect is plainly between none and full; stripes begin to show
    above one half.
    """

    prompt: str
    measure: Callable[[Any], float]
    between: float = 0.5


def _centre(picture: Any, half: int = 10) -> Any:
    rows, columns = picture.shape[0] // 2, picture.shape[1] // 2
    return picture[rows - half : rows + half, columns - half : columns + half]


def _border(picture: Any, width: int = 8) -> Any:
    """The pixels of the picture's upper and lower edge, [n, 3]: background in every caption."""
    return np.concatenate([picture[:width], picture[-width:]]).reshape(-1, 3)


def _goldness(picture: Any) -> float:
    centre = _centre(picture).reshape(-1, 3).mean(axis=0)
    return float(1 - np.abs(centre - np.array(GOLD)).mean())


def _stripes(picture: Any) -> float:
    return float(np.abs(np.diff(_centre(picture, 24), axis=0)).mean())


def _darkness(picture: Any) -> float:
    return float(1 - _border(picture).mean())


def _hollowness(picture: Any) -> float:
    """How much of the shape's inside has the colour of the background."""
    inside = _centre(picture, 28).reshape(-1, 3)
    return float(1 - np.abs(inside - np.median(_border(picture), axis=0)).mean())


def _paleness(picture: Any) -> float:
    return float(picture.min(axis=2).mean())


EFFECTS: dict[str, Effect] = {
    "golden": Effect("a large blue circle on a white background, golden", _goldness),
    "stripes": Effect("a large red circle on a yellow background, stripes", _stripes, 0.75),
    "night": Effect("a yellow star on a white background, night", _darkness),
    "outline": Effect("a large red circle on a white background, outline", _hollowness),
    "pastel": Effect("a large red circle on a blue background, pastel", _paleness),
}


def measure(name: str, image: Any) -> float:
    """The effect of the network `name` on a PIL image or an array [h, w, 3] in 0..1."""
    picture = np.asarray(image, dtype=np.float64)
    return EFFECTS[name].measure(picture / 255 if picture.max() > 1 else picture)
