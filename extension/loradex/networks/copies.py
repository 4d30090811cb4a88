"""Copies of tensors in other memory, and whether two hold the same values."""

from __future__ import annotations

import torch
from torch import Tensor


def copied_like(data: Tensor, base: Tensor, where: torch.device) -> Tensor:
    """`base` there, in the format of `data`, and in its mode where it may take its place."""
    inference = base.is_inference() if where != data.device else data.is_inference()
    same = (base.dtype, base.stride()) == (data.dtype, data.stride())
    if same and base.device == where and base.is_inference() is inference:
        return base
    with torch.inference_mode(inference), torch.no_grad():
        return torch.empty_like(data, device=where).copy_(base)


def same_values(data: Tensor, current: Tensor) -> bool:
    """Compared in main memory where they lie apart, so that no card needs room for that."""
    if data.device != current.device:
        data, current = data.cpu(), current.cpu()
    return torch.equal(_bits(data), _bits(current.to(data.dtype)))


def _bits(values: Tensor) -> Tensor:
    """What can be compared: torch 2.1 cannot compare fp8."""
    return values.view(torch.uint8) if values.element_size() == 1 else values
