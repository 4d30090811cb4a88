"""Black Forest Labs' Flux.1 and its kin."""

from __future__ import annotations

from loradex.compat.family import Family, Part, denoiser
from loradex.keys import configs

FAMILIES: tuple[Family, ...] = (
    Family(
        "flux1", "Flux.1",
        (
            denoiser("FluxTransformer2DModel", configs.FLUX1_DEV),
            Part("te", "CLIPTextModel", configs.CLIP_L),
            Part("te2", "T5EncoderModel", configs.T5_XXL),
        ),
        "width", ("flux1", "flux-1", "flux.1"), ("Chroma",),
    ),
)
