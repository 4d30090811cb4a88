"""Wan 2.1 and 2.2."""

from __future__ import annotations

from loradex.compat.family import Edition, Family, denoiser
from loradex.keys.configs import Config

# The `transformer/config.json` of the published models, as far as it differs from the defaults of
# diffusers' WanTransformer3DModel, which are those of the 14B text-to-video model.
_SMALL: Config = {"num_attention_heads": 12, "num_layers": 30, "ffn_dim": 8960}
_LARGE: Config = {}
_IMAGE_TO_VIDEO: Config = {"in_channels": 36, "image_dim": 1280, "added_kv_proj_dim": 5120}
# Wan 2.1 Fun (in-painting and control) gave the small model the image's keys and values.
_SMALL_FUN: Config = {**_SMALL, **_IMAGE_TO_VIDEO, "added_kv_proj_dim": 1536}
_TI2V_5B: Config = {
    "num_attention_heads": 24, "num_layers": 30, "ffn_dim": 14336, "in_channels": 48,
    "out_channels": 48,
}
_SMALL_VACE: Config = {**_SMALL, "vace_layers": tuple(range(0, 30, 2))}

_WAN, _VACE = "WanTransformer3DModel", "WanVACETransformer3DModel"
_CLAIMS = ("wan",)  # musubi writes `wan` and `wan2.1` for every size and version


def _wan(
    variant: str, title: str, class_name: str, config: Config, *editions: Edition,
    like: tuple[str, ...] = (),
) -> Family:
    return Family(
        "wan", title, (denoiser(class_name, config),), "width", _CLAIMS, like, variant, editions
    )


FAMILIES: tuple[Family, ...] = (
    _wan("2.1-t2v-1.3b", "Wan 2.1 T2V 1.3B", _WAN, _SMALL),
    # Both experts of 2.2's 14B models, text-to-video and image-to-video, have these blocks.
    _wan("2.1-t2v-14b", "Wan 2.1 T2V 14B", _WAN, _LARGE, Edition("2.2-i2v-a14b", inputs=36),
         like=("Wan 2.2 A14B",)),
    _wan("2.1-i2v-14b", "Wan 2.1 I2V 14B", _WAN, _IMAGE_TO_VIDEO,
         Edition("2.1-fun-control-14b", inputs=48)),
    _wan("2.1-fun-1.3b", "Wan 2.1 Fun 1.3B", _WAN, _SMALL_FUN,
         Edition("2.1-fun-control-1.3b", inputs=48)),
    _wan("2.1-vace-1.3b", "Wan 2.1 VACE 1.3B", _VACE, _SMALL_VACE),
    _wan("2.1-vace-14b", "Wan 2.1 VACE 14B", _VACE, _LARGE),
    _wan("2.2-ti2v-5b", "Wan 2.2 TI2V 5B", _WAN, _TI2V_5B),
)
