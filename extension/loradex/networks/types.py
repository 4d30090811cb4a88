"""The list of network types and the one function that makes a module of a file's tensors."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from loradex.errors import UnknownNetworkTypeError
from loradex.networks.base import NetworkModule
from loradex.networks.bias import BiasModule
from loradex.networks.boft import BoftModule
from loradex.networks.dora import DoraModule
from loradex.networks.embedding import LoraEmbeddingModule
from loradex.networks.full import FullModule
from loradex.networks.glora import GloraModule
from loradex.networks.ia3 import Ia3Module, PeftIa3Module
from loradex.networks.loha import LohaModule
from loradex.networks.lokr import LokrModule
from loradex.networks.lora import LoraModule
from loradex.networks.norm import NormModule
from loradex.networks.oft import OftModule, OldOftModule
from loradex.networks.parts import ModuleHints, Parts
from loradex.networks.peft_boft import PeftBoftModule
from loradex.networks.peft_oft import PeftOftModule
from loradex.networks.set_weight import SetModule
from loradex.networks.sparse_bias import SparseBiasModule

__all__ = ["TYPES", "ModuleHints", "build_module"]

TYPES: tuple[type[NetworkModule], ...] = (
    SetModule,  # first: `reshape_weight` refuses a module whatever else it has
    LoraModule,
    LohaModule,
    LokrModule,
    OftModule,
    BoftModule,
    OldOftModule,
    PeftOftModule,
    PeftBoftModule,
    GloraModule,
    Ia3Module,
    PeftIa3Module,
    NormModule,
    LoraEmbeddingModule,
    FullModule,
    SparseBiasModule,
    DoraModule,  # reached only by a magnitude without factors
    BiasModule,
)
"""Asked in this order; the first that claims a module's tensors builds it."""


def build_module(parts: Mapping[str, Tensor], hints: ModuleHints | None = None) -> NetworkModule:
    """The module of these tensors by role.

    Raises `UnknownNetworkTypeError` where no type admits them and `BrokenNetworkError` where a
    type does but a factor is missing, not finite or of an impossible shape.
    """
    given = Parts(parts, hints or ModuleHints())
    for candidate in TYPES:
        if candidate.claims(given.tensors):
            return _finish(candidate.build(given), given)
    raise UnknownNetworkTypeError(
        given.hints.subject,
        f"{given.hints.name}: no network type has only {', '.join(parts) or 'nothing'}",
        "a known type such as LoRA, LoHa, LoKr, OFT or DoRA",
        "Check that the file is a LoRA; if it is, report its tensor names.",
    )


def _finish(module: NetworkModule, parts: Parts) -> NetworkModule:
    """What may stand beside any type: a residual, a magnitude, a bias; and notes of the rest."""
    left = {role: parts.tensors[role] for role in parts.leftover}
    if SparseBiasModule.claims(left):
        module = SparseBiasModule.around(_additive(module, parts), _scale(module), parts)
    if DoraModule.claims(left):
        module = DoraModule.around(_additive(module, parts), parts)
    if BiasModule.claims({role: left[role] for role in parts.leftover}):
        module = BiasModule.around(module, parts)
    return module.noted(*parts.notes, *(f"'{role}' is not used" for role in parts.leftover))


def _additive(module: NetworkModule, parts: Parts) -> NetworkModule:
    """The module itself, if a residual or a magnitude has a meaning around it."""
    if isinstance(module, LoraModule | LohaModule | LokrModule | SparseBiasModule):
        return module
    raise parts.hints.broken(
        f"a magnitude or a residual around {module.type_name}", "LoRA, LoHa or LoKr inside",
        "No program is known to write this combination; report the file's tensor names.",
    )


def _scale(module: NetworkModule) -> float:
    return float(getattr(module, "scale", 1.0))
