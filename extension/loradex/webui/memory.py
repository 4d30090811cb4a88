"""Whether memory is short on a device, so that buffers kept for speed had better be given back."""

from __future__ import annotations

import importlib.util

import torch

SHORT_SHARE = 0.25
"""Less than this share free counts as short: a picture or another checkpoint may need it next."""


def is_short(device: torch.device) -> bool:
    """Whether little memory is free there; where nothing tells, it counts as short."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return free < SHORT_SHARE * total
    if device.type != "cpu" or importlib.util.find_spec("psutil") is None:
        return True
    import psutil  # both WebUIs come with it

    memory = psutil.virtual_memory()
    return bool(memory.available < SHORT_SHARE * memory.total)
