"""Pictures of a comparison on one sheet, each with what it was made with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

GAP = 12
LINES = 2
"""Of a caption; what does not fit ends in an ellipsis."""
BACKGROUND, INK = (250, 250, 250), (24, 24, 24)


def make_sheet(pictures: Sequence[tuple[str, Image]]) -> Image:
    """All pictures (caption and image, of one size) in a grid that is about square."""
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    width, height = pictures[0][1].size
    size = max(11, min(22, width // 18))
    font = ImageFont.load_default(size)
    below = LINES * round(size * 1.35) + GAP
    columns = math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    sheet = Pillow.new(
        "RGB", (GAP + columns * (width + GAP), GAP + rows * (height + below)), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for index, (caption, image) in enumerate(pictures):
        row, column = divmod(index, columns)
        x, y = GAP + column * (width + GAP), GAP + row * (height + below)
        sheet.paste(image, (x, y))
        draw.multiline_text(
            (x, y + height + 3), _wrapped(caption, draw, font, width), fill=INK, font=font)
    return sheet


def _wrapped(text: str, draw: ImageDraw, font: object, width: int) -> str:
    """The caption in at most LINES lines, broken where it must be."""
    lines: list[str] = []
    rest = text
    while rest and len(lines) < LINES:
        line = _fitting(rest, draw, font, width)
        lines.append(line)
        rest = rest[len(line):]
    if rest:
        lines[-1] = lines[-1][:-1] + "…"
    return "\n".join(lines)


def _fitting(text: str, draw: ImageDraw, font: object, width: int) -> str:
    """As much of the beginning as is no wider; one letter at least."""
    count = len(text)
    while count > 1 and draw.textlength(text[:count], font=font) > width:  # type: ignore[arg-type]
        count -= 1
    return text[:count]
