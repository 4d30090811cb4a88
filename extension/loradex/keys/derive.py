"""Which table a saved configuration asks for."""

from __future__ import annotations

from collections.abc import Mapping

from loradex.errors import InputError
from loradex.keys import (
    auraflow,
    chroma,
    clip,
    cog,
    cosmos,
    flux,
    flux2,
    hidream,
    hunyuan_dit,
    hunyuan_video,
    krea,
    llm,
    ltx,
    ltx2,
    lumina,
    mochi,
    motion,
    pixart,
    qwen_image,
    sana,
    sd3,
    svd,
    t5,
    unet,
    wan,
)
from loradex.keys.architecture import Architecture
from loradex.keys.derivation import Config, Derivation

_MODULES = (
    clip, t5, llm, unet, svd, motion, sd3, flux, chroma, flux2, pixart, hunyuan_dit, auraflow,
    lumina, sana, hidream, cog, ltx, ltx2, mochi, wan, hunyuan_video, qwen_image, cosmos, krea,
)

DERIVATIONS: Mapping[str, Derivation] = {
    name: derivation for module in _MODULES for name, derivation in module.DERIVATIONS.items()
}
"""Class name in diffusers or transformers to how its table is derived."""


def derive(class_name: str, config: Config) -> Architecture:
    """The table of a model of that class.

    Raises:
        InputError: no table is known for the class.
    """
    known = DERIVATIONS.get(class_name)
    if known is None:
        raise InputError("the model", f"a {class_name}", ", ".join(sorted(DERIVATIONS)))
    return known.build(config)
