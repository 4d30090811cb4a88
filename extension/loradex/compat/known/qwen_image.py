"""Qwen-Image."""

from __future__ import annotations

from loradex.compat.family import Family, denoiser

FAMILIES: tuple[Family, ...] = (
    Family(
        "qwen-image", "Qwen-Image", (denoiser("QwenImageTransformer2DModel", {}),),
        "width", ("qwen-image", "qwen_image", "qwen image"), ("Qwen-Image-Edit",),
    ),
)
