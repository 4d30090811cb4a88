"""Draws the training pictures: plain shapes on plain backgrounds, antialiased, from a seed."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Array = npt.NDArray[Any]
Points = list[tuple[float, float]]

SIZE = 128
SUPERSAMPLE = 4

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (222, 40, 44),
    "orange": (247, 140, 28),
    "yellow": (252, 218, 48),
    "green": (44, 162, 72),
    "cyan": (58, 205, 222),
    "blue": (44, 84, 220),
    "purple": (128, 54, 176),
    "pink": (248, 134, 184),
    "white": (250, 250, 250),
    "black": (22, 22, 26),
}
RADII = {"small": 21, "": 34, "large": 49}
GOLD = (212, 168, 40)


@dataclass(frozen=True)
class Item:
    """One shape; `colour` is a name of COLOURS, the centre and radius are in pixels."""

    shape: str
    colour: str
    size: str
    centre: tuple[float, float]
    radius: float
    turn: float


@dataclass(frozen=True)
class Scene:
    """What a picture shows; `style` names a drawing manner that only the networks teach."""

    items: tuple[Item, ...]
    background: str
    style: str = ""


def _ellipse(radius: float) -> Points:
    steps = 96
    turns = (2 * math.pi * i / steps for i in range(steps))
    return [(radius * math.cos(a), radius * math.sin(a)) for a in turns]


def _regular(corners: int, radius: float, inner: float = 1.0) -> Points:
    """A regular polygon, or a star when `inner` shortens every other corner."""
    count = corners if inner == 1.0 else 2 * corners
    points = []
    for i in range(count):
        reach = radius if i % 2 == 0 else radius * inner
        angle = 2 * math.pi * i / count - math.pi / 2
        points.append((reach * math.cos(angle), reach * math.sin(angle)))
    return points


def _square(radius: float) -> Points:
    side = radius * 0.88
    return [(-side, -side), (side, -side), (side, side), (-side, side)]


def _diamond(radius: float) -> Points:
    return [(0, -radius * 1.1), (radius * 0.75, 0), (0, radius * 1.1), (-radius * 0.75, 0)]


def _heart(radius: float) -> Points:
    points = []
    for i in range(96):
        a = 2 * math.pi * i / 96
        x = 16 * math.sin(a) ** 3
        y = 13 * math.cos(a) - 5 * math.cos(2 * a) - 2 * math.cos(3 * a) - math.cos(4 * a)
        points.append((x * radius / 16, -(y + 2) * radius / 16))
    return points


def _triangle(radius: float) -> Points:
    return [(x, y + radius * 0.2) for x, y in _regular(3, radius * 1.15)]


OUTLINES: dict[str, Callable[[float], Points]] = {
    "circle": _ellipse,
    "square": _square,
    "triangle": _triangle,
    "star": lambda radius: _regular(5, radius * 1.12, 0.45),
    "heart": _heart,
    "ring": _ellipse,
    "diamond": _diamond,
}
SHAPES = tuple(OUTLINES)


def _place(points: Points, item: Item) -> Points:
    sin, cos = math.sin(item.turn), math.cos(item.turn)
    x0, y0 = item.centre
    return [
        ((x0 + x * cos - y * sin) * SUPERSAMPLE, (y0 + x * sin + y * cos) * SUPERSAMPLE)
        for x, y in points
    ]


def shape_mask(item: Item, outline: bool = False) -> Array:
    """Coverage of the item in 0..1, [128, 128]; `outline` draws its contour only."""
    canvas = Image.new("L", (SIZE * SUPERSAMPLE, SIZE * SUPERSAMPLE))
    draw = ImageDraw.Draw(canvas)
    radii = [item.radius, item.radius * 0.55] if item.shape == "ring" else [item.radius]
    for fill, radius in zip((255, 0), radii, strict=False):
        points = _place(OUTLINES[item.shape](radius), item)
        if outline:
            width = round(max(5.0, item.radius * 0.16) * SUPERSAMPLE)
            draw.line([*points, points[0], points[1]], fill=255, width=width, joint="curve")
        else:
            draw.polygon(points, fill=fill)
    return np.asarray(canvas.reduce(SUPERSAMPLE), dtype=np.float32) / 255


def colour_of(name: str) -> Array:
    """RGB in 0..1 of a colour's name."""
    return np.array(COLOURS[name], dtype=np.float32) / 255


def _pastel(rgb: Array) -> Array:
    return rgb * 0.35 + 0.62


def _rows() -> Array:
    return np.arange(SIZE, dtype=np.float32)[:, None, None]


def _night() -> Array:
    """A dark sky that gets a little lighter towards the ground, [128, 1, 3]."""
    top = np.array([0.03, 0.03, 0.13], dtype=np.float32)
    ground = np.array([0.10, 0.09, 0.30], dtype=np.float32)
    return top + (ground - top) * (_rows() / (SIZE - 1))


def _backdrop(scene: Scene, background: Array) -> Array:
    if scene.style == "night":
        background = _night()
    elif scene.style == "pastel":
        background = _pastel(background)
    return np.broadcast_to(background, (SIZE, SIZE, 3)).astype(np.float32)


def _paint(scene: Scene, item: Item, colour: Array) -> Array:
    """The fill of an item under the scene's style, broadcastable to [128, 128, 3]."""
    if scene.style == "golden":
        return np.array(GOLD, dtype=np.float32) / 255
    if scene.style == "pastel":
        return _pastel(colour)
    if scene.style == "stripes":
        wave = np.sin((_rows() - np.float32(item.centre[1])) * (2 * math.pi / 20))
        band = np.clip(wave * 4 + 0.5, 0, 1).astype(np.float32)
        light = np.float32(1.0) if colour.mean() < 0.75 else np.float32(0.25)
        striped: Array = colour * (1 - band) + light * band
        return striped
    return colour


def draw_scene(scene: Scene, tints: dict[str, Array] | None = None) -> Array:
    """The picture, [128, 128, 3] in 0..1; `tints` overrides what a colour name looks like."""

    def lookup(name: str) -> Array:
        return tints[name] if tints and name in tints else colour_of(name)

    picture = _backdrop(scene, lookup(scene.background))
    for item in scene.items:
        cover = shape_mask(item, scene.style == "outline")[:, :, None]
        picture = picture * (1 - cover) + _paint(scene, item, lookup(item.colour)) * cover
    return picture


def jitter_tints(rng: random.Random, amount: float) -> dict[str, Array]:
    """Colours moved a little, so that the model learns a colour and not one value."""
    return {
        name: np.clip(
            colour_of(name) + np.array([rng.uniform(-amount, amount) for _ in range(3)]), 0, 1
        ).astype(np.float32)
        for name in COLOURS
    }


def random_item(rng: random.Random, avoid: str, pair: int = 0) -> Item:
    """A random shape; `pair` 1 or 2 puts it into the left or the right half."""
    colour = rng.choice([name for name in COLOURS if name != avoid])
    size = "" if pair else rng.choice(("", "", "small", "large"))
    radius = (23 if pair else RADII[size]) * rng.uniform(0.95, 1.05)
    room = max(2.0, min(7.0, SIZE / 2 - radius * 1.15 - 2))
    x = {0: SIZE / 2, 1: 35.0, 2: 93.0}[pair] + rng.uniform(-1, 1) * (3 if pair else room)
    y = SIZE / 2 + rng.uniform(-room, room)
    return Item(rng.choice(SHAPES), colour, size, (x, y), radius, rng.uniform(-0.12, 0.12))


def random_scene(rng: random.Random, style: str = "", pairs: float = 0.15) -> Scene:
    """One or two random shapes in colours other than the background's."""
    background = rng.choice(tuple(COLOURS))
    items: tuple[Item, ...]
    if rng.random() < pairs:
        items = (random_item(rng, background, 1), random_item(rng, background, 2))
    else:
        items = (random_item(rng, background),)
    return Scene(items, background, style)


STYLES = ("golden", "stripes", "night", "outline", "pastel")


def random_texture(rng: random.Random) -> Array:
    """A picture for the autoencoder: any style, any colours, so that it can draw any network."""
    scene = random_scene(rng, rng.choice(("", "", *STYLES)), pairs=0.4)
    tints = jitter_tints(rng, rng.choice((0.03, 0.3, 0.6)))
    return draw_scene(scene, tints)
