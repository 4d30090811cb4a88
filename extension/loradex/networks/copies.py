"""Copies of tensors in other memory."""

from __future__ import annotations

import torch
from torch import Tensor


def copied_like(data: Tensor, base: Tensor, where: torch.device) -> Tensor:
    """`base` there, or in main memory where there is no room, in the format of `data`.

    It is in the mode of `data` where it may take its place.
    """
    inference = base.is_inference() if where != data.device else data.is_inference()
    same = (base.dtype, base.stride()) == (data.dtype, data.stride())
    if same and base.device == where and base.is_inference() is inference:
        return base
    with torch.inference_mode(inference), torch.no_grad():
        try:
            room = torch.empty_like(data, device=where)
        except torch.cuda.OutOfMemoryError:
            room = torch.empty_like(data, device="cpu")
        return room.copy_(base)
