"""The built-in's functions in place of torch's own, for the whole process."""

from __future__ import annotations

from typing import Any

import networks
import torch
from modules import patches

_CLASSES = ("Linear", "Conv2d", "GroupNorm", "LayerNorm", "MultiheadAttention")
_FIELDS = (("forward", "forward"), ("_load_from_state_dict", "load_state_dict"))


class LoraPatches:
    """Patched on making; `Linear_forward` and so on are torch's own functions."""

    def __init__(self) -> None:
        for name in _CLASSES:
            for field, short in _FIELDS:
                own = getattr(networks, f"network_{name}_{short}")
                setattr(self, f"{name}_{short}",
                        patches.patch(__name__, getattr(torch.nn, name), field, own))

    def undo(self) -> None:
        for name in _CLASSES:
            for field, short in _FIELDS:
                done: Any = patches.undo(__name__, getattr(torch.nn, name), field)
                setattr(self, f"{name}_{short}", done)
