"""Qwen-Image and Qwen-Image 2.1."""

from __future__ import annotations

from loradex.compat.family import Family, denoiser

FAMILIES: tuple[Family, ...] = (
    Family(
        "qwen-image", "Qwen-Image", (denoiser("QwenImageTransformer2DModel", {}),),
        "width", ("qwen-image", "qwen_image", "qwen image"), ("Qwen-Image-Edit",),
    ),
    Family(
        "qwen-image-2.1", "Qwen-Image 2.1", (denoiser("QwenImage21Transformer2DModel", {}),),
        "width", ("qwen-image-2.1", "qwen_image_2.1", "qwen_image_21"),
    ),
)
