"""CogView4 and CogVideoX."""

from __future__ import annotations

from loradex.compat.family import Family, Part, denoiser
from loradex.keys import configs

_T5 = Part("te", "T5EncoderModel", configs.T5_XXL)
_COGVIEW4: configs.Config = {
    "num_layers": 28, "num_attention_heads": 32, "attention_head_dim": 128,
}
_5B: configs.Config = {
    "num_layers": 42, "num_attention_heads": 48, "use_rotary_positional_embeddings": True,
}
_5B_IMAGE: configs.Config = {
    **_5B, "in_channels": 32, "use_learned_positional_embeddings": True,
}
_15_5B: configs.Config = {**_5B, "patch_size_t": 2, "patch_bias": False}
_15_5B_IMAGE: configs.Config = {**_15_5B, "in_channels": 32, "ofs_embed_dim": 512}


def _video(variant: str, title: str, config: configs.Config, *claims: str) -> Family:
    part = denoiser("CogVideoXTransformer3DModel", config)
    return Family("cogvideox", title, (part, _T5), "width", ("cogvideo", *claims), variant=variant)


FAMILIES: tuple[Family, ...] = (
    Family(
        "cogview4", "CogView4", (denoiser("CogView4Transformer2DModel", _COGVIEW4),), "width",
        ("cogview4", "cogview-4", "cogview_4"),
    ),
    _video("5b", "CogVideoX 5B", _5B, "cogvideox-5b"),
    _video("2b", "CogVideoX 2B", {}, "cogvideox-2b"),
    _video("5b-i2v", "CogVideoX 5B image-to-video", _5B_IMAGE, "cogvideox-5b-i2v"),
    _video("1.5-5b", "CogVideoX 1.5 5B", _15_5B, "cogvideox1.5", "cogvideox-1.5"),
    _video("1.5-5b-i2v", "CogVideoX 1.5 5B image-to-video", _15_5B_IMAGE, "cogvideox1.5-5b-i2v",
           "cogvideox-1.5-5b-i2v"),
)
