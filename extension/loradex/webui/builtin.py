"""The WebUI's own Lora extension, spoken to by its own means: put to rest, and woken again.

AUTOMATIC1111's replaces the `forward` of five torch classes for the whole process, which costs
8.5 microseconds per layer and step even when no network is on, and merges lazily inside it
(extensions-builtin/Lora/lora_patches.py, networks.py).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import torch
from torch import nn

PATCHED = ("Linear", "Conv2d", "GroupNorm", "LayerNorm", "MultiheadAttention")
FIELDS = {"forward": "forward", "_load_from_state_dict": "load_state_dict"}


class BuiltIn:
    """The built-in by its module `networks`; all of it does nothing where that is not loaded."""

    def __init__(self) -> None:
        self._rested = False

    @property
    def present(self) -> bool:
        return self._networks is not None

    @property
    def resting(self) -> bool:
        """Whether its patches are undone now, by us."""
        return self._rested

    def clear(self, root: Any) -> None:
        """Takes its networks off the model and lets go of its copies of the weights."""
        networks = self._networks
        if networks is None:
            return
        if getattr(networks, "loaded_networks", None):
            # Forge's and reForge's fail on the defaults of the strengths, and stay on.
            networks.load_networks([], [], [], [])
        apply = getattr(networks, "network_apply_weights", None)
        reset = getattr(networks, "network_reset_cached_weight", None)
        if apply is None or reset is None or not isinstance(root, nn.Module):
            return
        with torch.no_grad():
            for module in _touched(root):
                apply(module)
                reset(module)

    def rest(self) -> bool:
        """Undoes its patches of torch's classes; False where others have patched them since.

        Undoing then would take the others' patches away too.
        """
        networks = self._networks
        originals = getattr(networks, "originals", None)
        if self._rested or originals is None or not _patches_are_its_own(networks):
            return self._rested
        originals.undo()
        self._rested = True
        return True

    def wake(self, root: Any) -> None:
        """Puts its patches back, and makes it forget what it knew of the weights."""
        networks = self._networks
        if not self._rested or networks is None:
            return
        self._rested = False
        reset = getattr(networks, "network_reset_cached_weight", None)
        if reset is not None and isinstance(root, nn.Module):
            for module in _touched(root):
                reset(module)
        # Its own constructor applies the patches and notes the originals; the object stays, since
        # its functions find the originals through it.
        originals: Any = networks.originals
        originals.__init__()

    @property
    def _networks(self) -> Any:
        """Its module; a top-level name, so what else has that name is told by what it lacks."""
        found = sys.modules.get("networks")
        known = isinstance(found, ModuleType) and hasattr(found, "loaded_networks")
        return found if known and hasattr(found, "load_networks") else None


def _touched(root: nn.Module) -> Iterator[nn.Module]:
    """Modules that it changed or keeps a copy of."""
    for module in root.modules():
        state = module.__dict__
        copies = (state.get("network_weights_backup"), state.get("network_bias_backup"))
        if state.get("network_current_names") or any(copy is not None for copy in copies):
            yield module


def _patches_are_its_own(networks: Any) -> bool:
    """Whether each patched function is still the one that the built-in put there."""
    for name in PATCHED:
        for field, suffix in FIELDS.items():
            own = getattr(networks, f"network_{name}_{suffix}", None)
            if own is None or getattr(getattr(nn, name), field) is not own:
                return False
    return True
