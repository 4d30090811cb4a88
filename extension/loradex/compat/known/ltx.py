"""LTX-Video and LTX-2."""

from __future__ import annotations

from loradex.compat.family import Family, Part, denoiser
from loradex.keys import configs

_VIDEO, _SOUND = "LTXVideoTransformer3DModel", "LTX2VideoTransformer3DModel"
_T5 = Part("te", "T5EncoderModel", configs.T5_XXL)
_13B: configs.Config = {
    "attention_head_dim": 128, "cross_attention_dim": 4096, "num_layers": 48,
}
# 2.5 leaves the bias of the feed-forward out, which no network's names or shapes tell.
_2_3: configs.Config = {
    "gated_attn": True, "cross_attn_mod": True, "audio_gated_attn": True,
    "audio_cross_attn_mod": True, "use_prompt_embeddings": False, "perturbed_attn": True,
}
_CLAIMS = ("ltx", "ltx-video", "ltxv", "ltx_video")
_CLAIMS_2 = ("ltx2", "ltx-2", "ltx_2", "ltxv2", "ltx-video-2", "ltxv-2", "ltxvideo2")

FAMILIES: tuple[Family, ...] = (
    Family(
        "ltx", "LTX-Video 2B", (denoiser(_VIDEO, {}), _T5), "width",
        (*_CLAIMS, "ltxv-2b", "ltx-2b", "ltx-video-2b"), variant="2b",
    ),
    Family(
        "ltx", "LTX-Video 13B", (denoiser(_VIDEO, _13B), _T5), "width",
        (*_CLAIMS, "ltxv-13b", "ltx-video-13b"), variant="13b",
    ),
    Family("ltx2", "LTX-2", (denoiser(_SOUND, {}),), "width", _CLAIMS_2, variant="2.0"),
    Family(
        "ltx2", "LTX-2.3", (denoiser(_SOUND, _2_3),), "width",
        (*_CLAIMS_2, "ltx2.3", "ltx-2.3", "ltx_2.3", "ltxvideo2-2.3"), ("LTX-2.5",), variant="2.3",
    ),
)
