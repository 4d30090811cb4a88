"""Binds models as the WebUIs hold them: LDM, sgm, MMDiT, BFL, open_clip and transformers trees."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from loradex.compat.live_tables import live_table
from loradex.compat.model import describe_model
from loradex.errors import InputError
from loradex.keys.from_shapes import UNKNOWN
from loradex.keys.targets import Shape
from loradex.networks.model import WRAPPED, BoundComponent, BoundModel
from loradex.networks.storage import shape_of

_UNETS = ("unet", "svd")
_BARE_NAMES = "generic-"


def bind_native(
    denoiser: nn.Module, encoders: Mapping[str, nn.Module], title: str = "",
    computes_on: str = "",
) -> BoundModel:
    """The engine's view of a model by the names and shapes of its parameters; no data is read.

    `encoders` are `te`, `te2` ... An encoder without a table is left out, with a note.
    `computes_on` is the type of device that parts in main memory are sent to to compute.

    Raises:
        InputError: the denoiser has no weights with names.
    """
    main = _bound("transformer", denoiser, "denoiser")
    if main is None:
        raise InputError(
            "the loaded model", f"its denoiser ({_class_name(denoiser)}) has no named weights",
            "a denoiser whose layers are modules of torch",
            "Load a checkpoint as usual; compiled and exported models cannot take LoRAs.",
        )
    notes: list[str] = []
    if main.architecture.id.startswith(_BARE_NAMES):
        notes.append(f"{_class_name(denoiser)}: no table is known for it, so that only LoRAs "
                     "that name its own layers can be applied")
    components = {main.name: main}
    for name, module in encoders.items():
        found = _bound(name, module, "te")
        if found is None:
            notes.append(f"{name}: {_class_name(module)} has no named weights and was left out")
        else:
            components[name] = found
    if not title:
        title = str(describe_model({main.name: main.architecture}))
    return BoundModel(components, title, tuple(notes), computes_on)


def shapes_of(root: nn.Module) -> Mapping[str, Shape]:
    """Name -> shape of every parameter, under the names without wrappers."""
    return {
        ".".join(part for part in name.split(".") if part not in WRAPPED): _shape(parameter)
        for name, parameter in root.named_parameters()
    }


def _bound(name: str, root: nn.Module, role: str) -> BoundComponent | None:
    found = live_table(shapes_of(root), role)
    if found is None:
        return None
    architecture, tree = found
    if role == "denoiser" and architecture.id in _UNETS:
        name = "unet"
    return BoundComponent(name, root, architecture, tree)


def _shape(parameter: Tensor) -> Shape:
    """A weight's shape; two unknown sides where it is packed and nothing tells."""
    shape = shape_of(parameter)
    if parameter.dtype is torch.uint8 and shape == tuple(Tensor.size(parameter)):
        return (UNKNOWN, UNKNOWN)
    return shape


def _class_name(module: nn.Module) -> str:
    return type(module).__name__
