"""What a file is that is no network, with the family or the encoder where its shapes tell."""

from __future__ import annotations

from loradex.compat.encoders import KNOWN_ENCODERS
from loradex.compat.real_tables import ALIKE, Shapes, denoiser_prefix, has_part, likest, under

_TITLES = {"clip_l": "CLIP-L", "clip_h": "OpenCLIP-H", "clip_g": "CLIP-G", "t5xxl": "T5-XXL"}


def foreign_title(kind: str, shapes: Shapes) -> str:
    """`SDXL checkpoint` for `checkpoint`, `CLIP-L text encoder`, or the kind as it is."""
    if kind == "text encoder":
        names = [name for name, part in KNOWN_ENCODERS if has_part(part, shapes)]
        return f"{_TITLES[names[0]]} {kind}" if names else kind
    if kind not in ("checkpoint", "denoiser checkpoint"):
        return kind
    alike = likest(under(shapes, denoiser_prefix(shapes)))
    if not alike or alike[0].share < ALIKE:
        return kind
    return f"{alike[0].family.title} {kind}"
