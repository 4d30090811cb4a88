"""PixArt Alpha and Sigma."""

from __future__ import annotations

from loradex.compat.family import Family, Part, denoiser
from loradex.keys import configs

_CLASS = "PixArtTransformer2DModel"
_T5 = Part("te", "T5EncoderModel", configs.T5_XXL)
_ALPHA: configs.Config = {"caption_channels": 4096}
# Sigma is given no resolution and no aspect ratio, as is Alpha at 256 and 512 pixels.
_SIGMA: configs.Config = {**_ALPHA, "use_additional_conditions": False}

FAMILIES: tuple[Family, ...] = (
    Family(
        "pixart", "PixArt Alpha", (denoiser(_CLASS, _ALPHA), _T5), "width",
        ("pixart-alpha", "pixart_alpha", "pixart-xl"), variant="alpha",
    ),
    Family(
        "pixart", "PixArt Sigma", (denoiser(_CLASS, _SIGMA), _T5), "width",
        ("pixart-sigma", "pixart_sigma", "pixart"), variant="sigma",
    ),
)
