"""Stable Diffusion's UNets: SD 1.x, SD 2, SDXL and what was made out of them."""

from __future__ import annotations

from loradex.compat.family import Family, Part, denoiser
from loradex.keys import configs

_CLIP, _CLIP_PROJECTED = "CLIPTextModel", "CLIPTextModelWithProjection"
_UNET = "UNet2DConditionModel"
_SDXL_ENCODERS = (Part("te", _CLIP, configs.CLIP_L), Part("te2", _CLIP_PROJECTED, configs.CLIP_G))
_CONTEXT = "cross-attention width"

FAMILIES: tuple[Family, ...] = (
    Family(
        "sd1", "SD 1.5",
        (denoiser(_UNET, configs.SD1_UNET), Part("te", _CLIP, configs.CLIP_L)),
        _CONTEXT, ("sd_v1", "sd_1", "stable-diffusion-v1"),
    ),
    Family(
        "sd2", "SD 2",
        (denoiser(_UNET, configs.SD2_UNET), Part("te", _CLIP, configs.CLIP_H)),
        _CONTEXT, ("sd_v2", "sd_2", "stable-diffusion-v2"),
    ),
    Family(
        "sdxl", "SDXL", (denoiser(_UNET, configs.SDXL_UNET), *_SDXL_ENCODERS),
        _CONTEXT, ("sdxl_base", "sdxl_", "stable-diffusion-xl-v1-base"), ("Kolors",),
    ),
    Family(
        "sdxl-refiner", "SDXL refiner",
        (denoiser(_UNET, configs.SDXL_REFINER_UNET), _SDXL_ENCODERS[1]),
        _CONTEXT, ("stable-diffusion-xl-v1-refiner",),
    ),
    Family(
        "ssd-1b", "SSD-1B", (denoiser(_UNET, configs.SSD_1B_UNET), *_SDXL_ENCODERS),
        _CONTEXT, ("ssd",),
    ),
)
