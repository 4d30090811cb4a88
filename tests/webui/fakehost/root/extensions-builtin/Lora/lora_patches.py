"""The built-in's functions in place of torch's own, for the whole process."""

from __future__ import annotations

from typing import Any

import networks
import torch
from modules import patches

_CLASSES = ("Linear", "Conv2d", "GroupNorm", "LayerNorm", "MultiheadAttention")


class LoraPatches:
    """Patched on making; `Linear_forward` and so on are torch's own functions."""

    def __init__(self) -> None:
        for name in _CLASSES:
            for field, short, made in (("forward", "forward", networks.patched_forward),
                                       ("_load_from_state_dict", "load_state_dict",
                                        networks.patched_load)):
                setattr(self, f"{name}_{short}", patches.patch(
                    __name__, getattr(torch.nn, name), field, made(f"{name}_{short}")))

    def undo(self) -> None:
        for name in _CLASSES:
            for field, short in (("forward", "forward"),
                                 ("_load_from_state_dict", "load_state_dict")):
                done: Any = patches.undo(__name__, getattr(torch.nn, name), field)
                setattr(self, f"{name}_{short}", done)
