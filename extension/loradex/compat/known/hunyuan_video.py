"""HunyuanVideo, FramePack and HunyuanImage."""

from __future__ import annotations

from loradex.compat.family import Family, Part, denoiser
from loradex.keys import configs
from loradex.keys.configs import Config

# What the published `transformer/config.json` files have apart from the defaults of diffusers.
# HunyuanVideo's files are written in its own names; FramePack's in diffusers', and with both
# sets of names every file for the one would be one for the other.
_FRAMEPACK: Config = {
    "has_image_proj": True, "has_clean_x_embedder": True, "original_names": False,
}
_IMAGE_21: Config = {"text_embed_2_dim": 1472}
_ENCODERS = (
    Part("te", "LlamaModel", {  # of LLaVA with Llama 3 8B
        "vocab_size": 128320, "intermediate_size": 14336, "num_key_value_heads": 8,
    }),
    Part("te2", "CLIPTextModel", configs.CLIP_L),
)

FAMILIES: tuple[Family, ...] = (
    Family(
        "hunyuan-video", "HunyuanVideo",
        (denoiser("HunyuanVideoTransformer3DModel", {}), *_ENCODERS),
        "width", ("hunyuan_video", "hunyuan-video", "hunyuanvideo"),
    ),
    Family(
        "framepack", "FramePack",
        (denoiser("HunyuanVideoFramepackTransformer3DModel", _FRAMEPACK), *_ENCODERS),
        "width", ("framepack",),
    ),
    Family(
        "hunyuan-video-1.5", "HunyuanVideo 1.5",
        (denoiser("HunyuanVideo15Transformer3DModel", {}),),
        "width", ("hunyuan_video_1_5", "hunyuan-video-1.5", "hunyuanvideo-1.5"),
    ),
    Family(
        "hunyuan-image-2.1", "HunyuanImage 2.1",
        (denoiser("HunyuanImageTransformer2DModel", _IMAGE_21),),
        "width", ("hunyuan-image", "hunyuan_image", "hunyuanimage"),
    ),
)
