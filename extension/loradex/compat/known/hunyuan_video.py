"""HunyuanVideo, FramePack and HunyuanImage."""

from __future__ import annotations

from loradex.compat.family import Edition, Family, Part, denoiser
from loradex.keys import configs
from loradex.keys.configs import Config

# What the published `transformer/config.json` files have apart from the defaults of diffusers.
# HunyuanVideo's files are written in its own names; FramePack's in diffusers', and with both
# sets of names every file for the one would be one for the other.
_FRAMEPACK: Config = {
    "has_image_proj": True, "has_clean_x_embedder": True, "original_names": False,
}
# With the embedders that only the models made to need few steps have.
_IMAGE_21: Config = {"text_embed_2_dim": 1472, "guidance_embeds": True, "use_meanflow": True}
_VIDEO_15: Config = {"use_meanflow": True}
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
        # SkyReels and the first image-to-video model take an image beside the latent.
        editions=(Edition("i2v", inputs=33), Edition("skyreels-i2v", inputs=32)),
    ),
    Family(
        "framepack", "FramePack",
        (denoiser("HunyuanVideoFramepackTransformer3DModel", _FRAMEPACK), *_ENCODERS),
        "width", ("framepack",),
    ),
    Family(
        "hunyuan-video-1.5", "HunyuanVideo 1.5",
        (denoiser("HunyuanVideo15Transformer3DModel", _VIDEO_15),),
        "width", ("hunyuan_video_1_5", "hunyuan-video-1.5", "hunyuanvideo-1.5"),
    ),
    Family(
        "hunyuan-image-2.1", "HunyuanImage 2.1",
        (denoiser("HunyuanImageTransformer2DModel", _IMAGE_21),),
        "width", ("hunyuan-image", "hunyuan_image", "hunyuanimage"),
    ),
)
