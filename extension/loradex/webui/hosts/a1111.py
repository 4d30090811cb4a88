"""AUTOMATIC1111: Stable Diffusion 1, 2, XL and 3 in the trees of LDM, sgm and MMDiT."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from loradex.webui.hosts.host import (
    Host,
    HostModel,
    checkpoint_path,
    checkpoint_title,
    first_module,
    numbered,
)


class A1111(Host):
    """`shared.sd_model` is the module tree itself; seen in v1.10.1."""

    name = "a1111"

    def admits(self) -> bool:
        from modules import sd_models

        return hasattr(sd_models, "model_data")

    def model(self) -> HostModel | None:
        from modules import sd_models

        # `shared.sd_model` would load a checkpoint; this only looks.
        root = sd_models.model_data.sd_model
        denoiser = first_module(getattr(root, "model", None), "diffusion_model")
        if root is None or denoiser is None:
            return None
        stage = _conditioner(root)
        return HostModel(
            root, checkpoint_title(root), checkpoint_path(root), denoiser,
            numbered([] if stage is None else _encoders(stage)),
            (denoiser,) if stage is None else (denoiser, stage), _obstacle(), _device_type(),
        )

    def settle(self, root: Any) -> None:
        """Nothing is left to do: the built-in has put back every weight that it changed."""


def _conditioner(root: Any) -> nn.Module | None:
    """What turns prompts into conditionings: SDXL's has several encoders, the others one."""
    return first_module(root, "conditioner", "cond_stage_model")


def _encoders(stage: nn.Module) -> list[nn.Module]:
    """The roots of the text encoders below a conditioner.

    SDXL has a list of embedders; SD 3 has the encoders as attributes; else it is one encoder.
    """
    listed: Any = getattr(stage, "embedders", None)
    if listed is None:
        named = (first_module(stage, name) for name in ("clip_l", "clip_g", "t5xxl"))
        listed = [one for one in named if one is not None] or [stage]
    found = (_encoder(one) for one in listed)
    return [one for one in found if one is not None]


def _encoder(embedder: Any) -> nn.Module | None:
    """transformers' model or open_clip's; SDXL's size and crop embedders have neither."""
    inner = getattr(embedder, "wrapped", embedder)
    return first_module(inner, "transformer", "model", "roberta")


def _device_type() -> str:
    """Where `--medvram` and `--lowvram` send each part before it computes."""
    from modules import devices

    device = getattr(devices, "device", None)
    return device.type if isinstance(device, torch.device) else ""


def _obstacle() -> str:
    """An engine of another format (TensorRT) has the weights compiled in."""
    from modules import sd_unet

    unet = getattr(sd_unet, "current_unet", None)
    if unet is None:
        return ""
    label = getattr(getattr(unet, "option", None), "label", "another engine")
    return f"the UNet runs as {label}, which has its weights compiled in"
