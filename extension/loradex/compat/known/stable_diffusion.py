"""Stable Diffusion's UNets: SD 1.x, SD 2, SDXL, SVD and what was made out of them."""

from __future__ import annotations

from loradex.compat.family import Edition, Family, Part, denoiser
from loradex.keys import configs

_CLIP, _CLIP_PROJECTED = "CLIPTextModel", "CLIPTextModelWithProjection"
_UNET = "UNet2DConditionModel"
_SDXL_ENCODERS = (Part("te", _CLIP, configs.CLIP_L), Part("te2", _CLIP_PROJECTED, configs.CLIP_G))
_CONTEXT = "cross-attention width"
# The channels beside the latent's 4: a mask and the masked image, an image, a depth map.
_INPAINTING, _PIX2PIX = Edition("inpainting", inputs=9), Edition("instruct-pix2pix", inputs=8)
_DEPTH = Edition("depth", inputs=5)

FAMILIES: tuple[Family, ...] = (
    Family(
        "sd1", "SD 1.5",
        (denoiser(_UNET, configs.SD1_UNET), Part("te", _CLIP, configs.CLIP_L)),
        _CONTEXT, ("sd_v1", "sd_1", "sd1", "stable-diffusion-v1"),
        editions=(_INPAINTING, _PIX2PIX),
    ),
    Family(  # base and 768-v are of one shape
        "sd2", "SD 2",
        (denoiser(_UNET, configs.SD2_UNET), Part("te", _CLIP, configs.CLIP_H)),
        _CONTEXT, ("sd_v2", "sd_2", "sd2", "stable-diffusion-v2"), editions=(_INPAINTING, _DEPTH),
    ),
    Family(
        "sdxl", "SDXL", (denoiser(_UNET, configs.SDXL_UNET), *_SDXL_ENCODERS),
        _CONTEXT, ("sdxl_base", "sdxl", "stable-diffusion-xl-v1-base"),
        editions=(_INPAINTING, _PIX2PIX),
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
    Family(
        "vega", "Segmind Vega", (denoiser(_UNET, configs.VEGA_UNET), *_SDXL_ENCODERS),
        _CONTEXT, ("vega", "segmind-vega", "segmind_vega"),
    ),
    Family(
        "koala", "KOALA 1B", (denoiser(_UNET, configs.KOALA_1B_UNET), *_SDXL_ENCODERS),
        _CONTEXT, ("koala", "koala-1b", "koala_1b"), variant="1b",
    ),
    Family(
        "koala", "KOALA 700M", (denoiser(_UNET, configs.KOALA_700M_UNET), *_SDXL_ENCODERS),
        _CONTEXT, ("koala", "koala-700m", "koala_700m"), variant="700m",
    ),
    Family(  # its text encoder is ChatGLM, of which no network is known
        "kolors", "Kolors", (denoiser(_UNET, configs.KOLORS_UNET),), _CONTEXT, ("kolors",),
        editions=(_INPAINTING,),
    ),
    Family(
        "svd", "SVD", (denoiser("UNetSpatioTemporalConditionModel", configs.SVD_UNET),),
        _CONTEXT, ("svd", "stable-video-diffusion"),
    ),
)
