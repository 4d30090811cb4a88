"""Lumina Image 2 and Z-Image."""

from __future__ import annotations

from loradex.compat.family import Family, Part, denoiser

FAMILIES: tuple[Family, ...] = (
    Family(
        "lumina2", "Lumina Image 2",
        (denoiser("Lumina2Transformer2DModel", {"cap_feat_dim": 2304}),
         Part("te", "Gemma2Model", {})), "width",
        ("lumina2", "lumina-2", "lumina_2", "lumina-image-2"),
    ),
    Family(
        "z-image", "Z-Image", (denoiser("ZImageTransformer2DModel", {}),), "width",
        ("z-image", "z_image", "zimage"),
    ),
)
