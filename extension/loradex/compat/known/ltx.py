"""LTX-Video and LTX-2."""

from __future__ import annotations

from loradex.compat.family import Family, Part, denoiser
from loradex.keys import configs

_CLASS, _CLASS_2 = "LTXVideoTransformer3DModel", "LTX2VideoTransformer3DModel"
_T5 = Part("te", "T5EncoderModel", configs.T5_XXL)
_13B: configs.Config = {
    "attention_head_dim": 128, "cross_attention_dim": 4096, "num_layers": 48,
}
# 2.5 leaves the bias of the feed-forward out, which no network's names or shapes tell.
_2_3: configs.Config = {
    "gated_attn": True, "cross_attn_mod": True, "audio_gated_attn": True,
    "audio_cross_attn_mod": True, "use_prompt_embeddings": False, "perturbed_attn": True,
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
    Family(
        "ltx2", "LTX-2", (denoiser(_CLASS_2, {}),), "width",
        ("ltx2", "ltx-2", "ltx_2", "ltxv2", "ltx-video-2", "ltxv-2"), variant="2.0",
    ),
    Family(
        "ltx2", "LTX-2.3", (denoiser(_CLASS_2, _2_3),), "width",
        ("ltx2.3", "ltx-2.3", "ltx_2.3"), ("LTX-2.5",), variant="2.3",
    ),
)
