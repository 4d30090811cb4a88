"""Groups the tensors of a network into modules by their suffixes, as far as a value check needs.

The engine's own grouping (`loradex.keys.parse`) tells where modules belong; here only which
factors are multiplied with each other matters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_FACTOR = re.compile(
    r"(?P<module>.+?)(?:"
    r"_?[._]?lora\d?(?:_linear_layer)?[._](?P<lora>up|down|A|B)(?:\.(?!weight$)[^.]+)?(?:\.weight)?"
    r"|:(?P<old>up|down)"
    r"|\.(?P<product>hada_w[12]_[ab]|lokr_w[12](?:_[ab])?)(?:\.[^.]+)?"
    r"|\.(?P<turn>oft_blocks|oft_diag|oft_R|boft_R)(?:\.[^.]+)?(?:\.weight)?"
    r")\Z"
)
_ALPHA = re.compile(r"(?P<module>.+?)_?\.alpha\Z")
_UPS = ("up", "B", "hada_w1_a", "hada_w2_a", "lokr_w1", "lokr_w2", "lokr_w1_a", "lokr_w2_a")
_RANKED = ("down", "A", "hada_w1_b", "lokr_w2_b", "lokr_w1_b")
"""Factors whose first dimension is the rank, the ones that decide it first."""


@dataclass(frozen=True)
class Module:
    """The factors of one module, whose product is its change.

    `alpha` is '' where none is stored, and without a rank: a full LoKr ignores it, and in OFT it
    is a constraint, where 0 is usual.
    """

    name: str
    factors: tuple[str, ...]
    ups: tuple[str, ...]
    downs: tuple[str, ...]
    alpha: str
    rank: int | None


@dataclass
class _Parts:
    factors: dict[str, str] = field(default_factory=dict)
    alpha: str = ""


def modules_of(shapes: Mapping[str, tuple[int, ...]]) -> tuple[Module, ...]:
    """The modules that have factors; other tensors (biases, norms, whole differences) are none."""
    found: dict[str, _Parts] = {}
    for name in shapes:
        if match := _ALPHA.match(name):
            found.setdefault(match["module"], _Parts()).alpha = name
        elif match := _FACTOR.match(name):
            role = match["lora"] or match["old"] or match["product"] or match["turn"]
            found.setdefault(match["module"], _Parts()).factors[role] = name
    return tuple(
        _module(name, parts, shapes) for name, parts in found.items() if parts.factors
    )


def _module(name: str, parts: _Parts, shapes: Mapping[str, tuple[int, ...]]) -> Module:
    ups = tuple(tensor for role, tensor in parts.factors.items() if role in _UPS)
    downs = tuple(tensor for role, tensor in parts.factors.items() if role in ("down", "A"))
    ranked = next((parts.factors[role] for role in _RANKED if role in parts.factors), "")
    shape = shapes.get(ranked, ())
    rank = shape[0] if shape else None
    alpha = parts.alpha if rank else ""
    return Module(name, tuple(parts.factors.values()), ups, downs, alpha, rank)
