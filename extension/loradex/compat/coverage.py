"""How much of a model a file touches: what tells two models apart whose tables both admit it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from loradex.compat.facts import Fact, weight_shape
from loradex.compat.family import Family
from loradex.keys.architecture import Architecture
from loradex.keys.resolve import NameTable

_NUMBER = re.compile(r"\d+")
_TAIL = re.compile(r"(?:\.|^)[^.]+(?:\.\d+)?$")
_FEW = 0.5  # below this share of the kinds that it touches, a file says little of its model
_VARIED = 4
ENOUGH = 12
"""A file of fewer modules was not trained on all of anything: what it lacks says nothing."""


@dataclass(frozen=True)
class _Kinds:
    """The modules of a table sorted by what trainers choose them by.

    `numbered` is a name without its block numbers (`blocks.N.attnN.to_q`), `plain` without any
    number (`blocks..attn.to_q`), `block` what stands before the last number of a name.
    """

    numbered: Mapping[str, str]
    plain: Mapping[str, str]
    block: Mapping[str, str]
    weights: frozenset[str]


@lru_cache(maxsize=256)
def _kinds(architecture: Architecture) -> _Kinds:
    names = {leaf.diffusers.module: leaf.kind.value for leaf in architecture.leaves}
    return _Kinds(
        {name: _NUMBER.sub("N", name) for name in names},
        {name: _NUMBER.sub("", name) for name in names},
        {name: _block(name) for name in names},
        frozenset(name for name, kind in names.items() if kind in ("linear", "conv")),
    )


def _block(name: str) -> str:
    """The transformer block that a module is in: `transformer_blocks.3` of `...3.ff.net.0.proj`."""
    for word in ("transformer_blocks.", "blocks.", "layers.", "resnets."):
        at = name.rfind(word)
        if at >= 0:
            number = name[at + len(word):].partition(".")[0]
            return name[:at] + word + number
    return ""


def touched(table: NameTable, facts: Sequence[Fact]) -> frozenset[str]:
    """The modules of the model, by their diffusers names, that a file writes."""
    return frozenset(
        piece.leaf.diffusers.module for fact in facts for piece in table.find(fact.module.name)
    )


def is_excerpt(table: NameTable, facts: Sequence[Fact]) -> bool:
    """Whether a file has less than half of the modules of the kinds that it touches."""
    return _share(_kinds(table.architecture).numbered, touched(table, facts)) < _FEW


def _share(kinds: Mapping[str, str], names: frozenset[str]) -> float:
    """The share of the modules of the touched kinds that is touched."""
    wanted = {kinds[name] for name in names}
    return len(names) / max(1, sum(kind in wanted for kind in kinds.values()))


def covered(families: Sequence[Family], facts: Sequence[Fact]) -> Sequence[Family]:
    """The families of which the file has every module of the kinds that it touches.

    A trainer that touches one `attn1.to_q` touches them all, so a file for the smaller of two
    models covers that one in full and the larger one in part.
    """
    return _passing(families, facts, lambda kinds, names: _share(kinds.numbered, names) == 1)


def covered_by_layer(families: Sequence[Family], facts: Sequence[Fact]) -> Sequence[Family]:
    """The same without telling numbered layers apart.

    A file for SD 3.5 Medium that has `attn.to_q` would have `attn2.to_q` too.
    """
    return _passing(
        families, facts,
        lambda kinds, names: _is_varied(kinds, names) and _share(kinds.plain, names) == 1,
    )


def _is_varied(kinds: _Kinds, names: frozenset[str]) -> bool:
    """Whether a file touches so many kinds of layers that one it leaves out says something."""
    return len({kinds.numbered[name] for name in names}) >= _VARIED


def covered_in_blocks(families: Sequence[Family], facts: Sequence[Fact]) -> Sequence[Family]:
    """The same inside the blocks that the file touches: half of a file still tells so much."""
    return _passing(families, facts, _is_whole_inside)


def _is_whole_inside(kinds: _Kinds, names: frozenset[str]) -> bool:
    if not _is_varied(kinds, names):
        return False
    blocks = {kinds.block[name] for name in names} - {""}
    inside = {name: kind for name, kind in kinds.plain.items() if kinds.block[name] in blocks}
    return _share(inside, names & inside.keys()) == 1


def with_siblings(families: Sequence[Family], facts: Sequence[Fact]) -> Sequence[Family]:
    """The families of which the file has all layers beside those that it touches.

    Beside `attn2.to_k` of Wan's image-to-video models stands `attn2.add_k_proj`, which a file for
    them would have too.
    """
    return _passing(families, facts, _has_siblings)


def _has_siblings(kinds: _Kinds, names: frozenset[str]) -> bool:
    if not _is_varied(kinds, names):
        return False
    weights = names & kinds.weights
    wanted = {_parent(name) for name in weights} - {""}
    return all(name in names for name in kinds.weights if _parent(name) in wanted)


@lru_cache(maxsize=1 << 15)
def _parent(name: str) -> str:
    """The module that a layer is part of: `...attn2` of `...attn2.to_out.0`."""
    return _TAIL.sub("", name)


def _passing(
    families: Sequence[Family], facts: Sequence[Fact],
    passes: Callable[[_Kinds, frozenset[str]], bool],
) -> Sequence[Family]:
    if len(facts) < ENOUGH:
        return families
    return [
        one for one in families
        if passes(_kinds(one.parts[0].table.architecture), touched(one.parts[0].table, facts))
    ]


def exact(families: Sequence[Family], facts: Sequence[Fact]) -> Sequence[Family]:
    """The families whose weights have the deltas' number of dimensions, 1x1 kernels included."""
    return [
        one for one in families
        if all(_same_dimensions(fact, one.parts[0].table) for fact in facts)
    ]


_FAITHFUL = frozenset({"lora", "full", "set"})
"""The types that keep a kernel's dimensions; LoHa and LoKr write a 1x1 one flattened."""


def _same_dimensions(fact: Fact, table: NameTable) -> bool:
    weight, extent = weight_shape(table, fact.module.name), fact.description.shape
    if weight is None or extent is None or fact.description.type not in _FAITHFUL:
        return True
    return len(extent) == len(weight)
