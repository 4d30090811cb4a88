"""What Forge and reForge share: a checkpoint as patchers around the modules that hold weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

from loradex.webui.hosts.host import (
    Host,
    HostModel,
    checkpoint_path,
    checkpoint_title,
    first_module,
    numbered,
)

_ENCODERS = ("clip_l", "clip_h", "clip_g", "t5xxl")
"""The names under which both keep the text encoders, in the order of the kohya numbers."""


class PatcherHost(Host):
    """Finds the modules behind the patchers; they are the same for every copy of a patcher."""

    def model(self) -> HostModel | None:
        from modules import sd_models

        root = sd_models.model_data.sd_model
        objects = objects_of(root)
        unet = getattr(getattr(objects, "unet", None), "model", None)
        denoiser = first_module(unet, "diffusion_model")
        if denoiser is None:
            return None
        encoders = _encoders_of(objects)
        return HostModel(root, checkpoint_title(root), checkpoint_path(root), denoiser, encoders,
                         (denoiser, *encoders.values()), computes_on=_device_type(objects.unet))


def objects_of(root: Any) -> Any:
    """The patchers as they were loaded, without anybody's networks; None where there are none."""
    found = getattr(root, "forge_objects_original", None)
    return getattr(root, "forge_objects", None) if found is None else found


def patchers_of(root: Any) -> Iterator[Any]:
    """The denoiser's patcher and the text encoders', as they were loaded."""
    objects = objects_of(root)
    for one in (getattr(objects, "unet", None),
                getattr(getattr(objects, "clip", None), "patcher", None)):
        if one is not None:
            yield one


def _device_type(patcher: Any) -> str:
    """Where its loader sends a model that waits in main memory."""
    return getattr(getattr(patcher, "load_device", None), "type", "")


def _encoders_of(objects: Any) -> dict[str, nn.Module]:
    """The text encoders by component."""
    joint = getattr(getattr(objects, "clip", None), "cond_stage_model", None)
    roots = (first_module(getattr(joint, name, None), "transformer") for name in _ENCODERS)
    return numbered([root for root in roots if root is not None])
