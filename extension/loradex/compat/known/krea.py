"""Krea 2."""

from __future__ import annotations

from loradex.compat.family import Family, denoiser

FAMILIES: tuple[Family, ...] = (
    Family(
        "krea2", "Krea 2", (denoiser("Krea2Transformer2DModel", {}),),
        "width", ("krea2", "krea-2", "krea_2"),
    ),
)
