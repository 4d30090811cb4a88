"""Where the parts of a checkpoint are: all on the device, or each one only while it computes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch

    from standalone.model import LoadedModel

Part = Literal["text", "unet", "vae"]
Offload = Literal["auto", "on", "off"]
"""`on`: text encoders, UNet and VAE take turns on the device; `auto`: where not all have room."""

_GIB = 1 << 30
WORKING_BYTES = {"sdxl": 3 * _GIB}
"""What drawing one picture takes beside the weights, at the size that a family was trained at."""
LEAST_WORKING_BYTES = 2 * _GIB


def placed(model: LoadedModel, offload: Offload) -> LoadedModel:
    """The model with its parts on the device, or ready to take turns there."""
    note = _shortage(model) if offload == "auto" else ""
    if offload == "on" or note:
        return replace(model, take_turns=True, notes=(*model.notes, *([note] if note else [])))
    for part in _parts_of(model).values():
        _move(part, model.device)
    return model


def bring(model: LoadedModel, part: Part) -> None:
    """Called before a part computes: it comes to the device, where it is not there already."""
    if model.take_turns:
        bring_alone(model, part)


def bring_alone(model: LoadedModel, part: Part) -> None:
    """The part comes to the device, and the others leave it first."""
    import torch

    parts = _parts_of(model)
    for name, others in parts.items():
        if name != part:
            _move(others, torch.device("cpu"))
    _move(parts[part], model.device)


def where(module: Any) -> torch.device:
    """The device of a part at this moment."""
    found: torch.device = next(module.parameters()).device
    return found


def _parts_of(model: LoadedModel) -> dict[Part, Sequence[Any]]:
    return {"text": [one.model for one in model.text_encoders], "unet": [model.unet],
            "vae": [model.vae]}


def _move(modules: Sequence[Any], device: torch.device) -> None:
    for module in modules:
        if where(module) != device:
            module.to(device)


def _shortage(model: LoadedModel) -> str:
    """Why the parts have to take turns, in words; empty where all have room."""
    from loradex.networks.residency import free_bytes

    free = free_bytes(model.device)
    if free is None:
        return ""
    weights = sum(one.nbytes for one in _tensors(model))
    needed = weights + WORKING_BYTES.get(model.family, LEAST_WORKING_BYTES)
    if needed <= free:
        return ""
    return (f"{model.device} has {free / _GIB:.1f} GB free and all of the checkpoint would need "
            f"{needed / _GIB:.1f} GB, so its parts take turns there. --offload off keeps them all.")


def _tensors(model: LoadedModel) -> Iterator[torch.Tensor]:
    for part in _parts_of(model).values():
        for module in part:
            yield from module.parameters()
