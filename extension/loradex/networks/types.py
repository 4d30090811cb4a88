"""The list of network types and the one function that makes a module of a file's tensors."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from loradex.errors import UnknownNetworkTypeError
from loradex.networks.base import NetworkModule
from loradex.networks.lora import LoraModule
from loradex.networks.parts import ModuleHints, Parts

__all__ = ["TYPES", "ModuleHints", "build_module"]

TYPES: tuple[type[NetworkModule], ...] = (LoraModule,)
"""Asked in this order; the first that claims a module's tensors builds it."""


def build_module(parts: Mapping[str, Tensor], hints: ModuleHints | None = None) -> NetworkModule:
    """The module of these tensors by role.

    Raises `UnknownNetworkTypeError` where no type admits them and `BrokenNetworkError` where a
    type does but a factor is missing, not finite or of an impossible shape.
    """
    taken = Parts(parts, hints or ModuleHints())
    for candidate in TYPES:
        if candidate.claims(taken.tensors):
            return _with_notes(candidate.build(taken), taken)
    raise UnknownNetworkTypeError(
        taken.hints.subject,
        f"{taken.hints.name}: no network type has only {', '.join(parts) or 'nothing'}",
        "a known type such as LoRA, LoHa, LoKr, OFT or DoRA",
        "Check that the file is a LoRA; if it is, report its tensor names.",
    )


def _with_notes(module: NetworkModule, parts: Parts) -> NetworkModule:
    unused = tuple(f"'{role}' is not used" for role in parts.leftover)
    return module.noted(*parts.notes, *unused)
