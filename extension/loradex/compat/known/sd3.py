"""Stable Diffusion 3 and 3.5."""

from __future__ import annotations

from loradex.compat.family import Family, Part, denoiser
from loradex.keys import configs

_CLIP_PROJECTED = "CLIPTextModelWithProjection"
_SD3_ENCODERS = (
    Part("te", _CLIP_PROJECTED, configs.CLIP_L),
    Part("te2", _CLIP_PROJECTED, configs.CLIP_G),
    Part("te3", "T5EncoderModel", configs.T5_XXL),
)

FAMILIES: tuple[Family, ...] = (
    Family(
        "sd3-medium", "SD 3 Medium",
        (denoiser("SD3Transformer2DModel", configs.SD3_MEDIUM), *_SD3_ENCODERS),
        "width", ("sd3_m", "stable-diffusion-3-medium", "stable-diffusion-v3-medium"),
    ),
    Family(
        "sd3.5-medium", "SD 3.5 Medium",
        (denoiser("SD3Transformer2DModel", configs.SD35_MEDIUM), *_SD3_ENCODERS),
        "width", ("sd3.5_m", "sd3.5-m", "stable-diffusion-3.5-medium",
                  "stable-diffusion-v3.5-medium"),
    ),
    Family(
        "sd3.5-large", "SD 3.5 Large",
        (denoiser("SD3Transformer2DModel", configs.SD35_LARGE), *_SD3_ENCODERS),
        "width", ("sd3.5_l", "sd3.5-l", "stable-diffusion-3.5-large",
                  "stable-diffusion-v3.5-large"),
    ),
)
