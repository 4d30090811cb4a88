"""Where and in which numbers the models run: here always the CPU, in fp32."""

from __future__ import annotations

import contextlib
from typing import Any

import torch

cpu = torch.device("cpu")
device = device_interrogate = cpu
dtype = dtype_vae = dtype_unet = dtype_inference = torch.float32
fp8 = False
unet_needs_upcast = False


class NansException(Exception):  # noqa: N818 - the WebUI's name
    """A picture of not-a-numbers."""


def autocast(disable: bool = False) -> Any:
    return contextlib.nullcontext()


def without_autocast(disable: bool = False) -> Any:
    return contextlib.nullcontext()


def torch_gc() -> None:
    """Nothing to collect on a CPU."""


def cond_cast_unet(tensor: torch.Tensor) -> torch.Tensor:
    return tensor


def test_for_nans(x: torch.Tensor, where: str) -> None:
    """As the WebUI does it: only the very first number is looked at."""
    if torch.isnan(x[(0,) * len(x.shape)]):
        raise NansException(f"A tensor with NaNs was produced in {where.capitalize()}.")
