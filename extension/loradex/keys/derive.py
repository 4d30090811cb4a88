"""Which table a saved configuration asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from loradex.errors import InputError
from loradex.keys.architecture import Architecture
from loradex.keys.clip import clip_architecture
from loradex.keys.flux import flux_architecture
from loradex.keys.sd3 import sd3_architecture
from loradex.keys.t5 import t5_architecture
from loradex.keys.unet import unet_architecture

DERIVATIONS: Mapping[str, Callable[[Mapping[str, Any]], Architecture]] = {
    "UNet2DConditionModel": unet_architecture,
    "FluxTransformer2DModel": flux_architecture,
    "SD3Transformer2DModel": sd3_architecture,
    "CLIPTextModel": lambda config: clip_architecture(config, with_projection=False),
    "CLIPTextModelWithProjection": lambda config: clip_architecture(config, with_projection=True),
    "T5EncoderModel": t5_architecture,
}
"""Class name in diffusers or transformers to the function that derives its table."""


def derive(class_name: str, config: Mapping[str, Any]) -> Architecture:
    """The table of a model of that class.

    Raises:
        InputError: no table is known for the class.
    """
    known = DERIVATIONS.get(class_name)
    if known is None:
        raise InputError("the model", f"a {class_name}", ", ".join(sorted(DERIVATIONS)))
    return known(config)
