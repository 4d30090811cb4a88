"""PixArt Alpha and Sigma."""

from __future__ import annotations

from loradex.compat.family import Family, Part, denoiser
from loradex.keys import configs

_ALPHA: configs.Config = {"caption_channels": 4096}
# Sigma is given no resolution and no aspect ratio, as is Alpha at 256 and 512 pixels.
_SIGMA: configs.Config = {**_ALPHA, "use_additional_conditions": False}
_SIGMA_900M: configs.Config = {**_SIGMA, "num_layers": 42}  # a community model with more blocks


def _family(variant: str, title: str, config: configs.Config, *claims: str) -> Family:
    parts = (
        denoiser("PixArtTransformer2DModel", config),
        Part("te", "T5EncoderModel", configs.T5_XXL),
    )
    return Family("pixart", title, parts, "width", ("pixart", *claims), variant=variant)


FAMILIES: tuple[Family, ...] = (
    _family("alpha", "PixArt Alpha", _ALPHA, "pixart-alpha", "pixart_alpha"),
    _family("sigma", "PixArt Sigma", _SIGMA, "pixart-sigma", "pixart_sigma"),
    _family("sigma-900m", "PixArt Sigma 900M", _SIGMA_900M, "pixart-900m", "pixart_sigma-900m",
            "pixart-sigma-900m"),
)
