"""Mochi 1."""

from __future__ import annotations

from loradex.compat.family import Family, Part, denoiser
from loradex.keys import configs

FAMILIES: tuple[Family, ...] = (
    Family(
        "mochi", "Mochi 1",
        (denoiser("MochiTransformer3DModel", {}), Part("te", "T5EncoderModel", configs.T5_XXL)),
        "width", ("mochi", "genmo"),
    ),
)
