"""LTX-Video."""

from __future__ import annotations

from loradex.compat.family import Family, Part, denoiser
from loradex.keys import configs

_CLASS = "LTXVideoTransformer3DModel"
_T5 = Part("te", "T5EncoderModel", configs.T5_XXL)
_13B: configs.Config = {
    "attention_head_dim": 128, "cross_attention_dim": 4096, "num_layers": 48,
}

FAMILIES: tuple[Family, ...] = (
    Family(
        "ltx", "LTX-Video 2B", (denoiser(_CLASS, {}), _T5), "width",
        ("ltx", "ltx-video", "ltxv", "ltx_video"), variant="2b",
    ),
    Family(
        "ltx", "LTX-Video 13B", (denoiser(_CLASS, _13B), _T5), "width",
        ("ltxv-13b", "ltx-video-13b", "ltx_13b"), variant="13b",
    ),
)
