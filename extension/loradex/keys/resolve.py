"""File modules to places in a model: one dictionary of flattened names per component."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from math import prod

from loradex.keys.architecture import Architecture, Leaf, Piece
from loradex.keys.factors import ANY
from loradex.keys.indexed import split_index
from loradex.keys.targets import FileModule, Rows, Shape, Target, Tree


def shapes_fit(delta: Shape, weight: Shape) -> bool:
    """Whether a delta may be added to a weight.

    They are equal, or differ by a kernel of ones, or the delta is a convolution's in its flattened
    form [out, in * kh * kw] (LoHa and LoKr write it so); kernels of videos have three sides. -1 in
    the delta is a dimension that its factors do not tell. Equal element counts alone never fit.
    """
    ours, theirs = squeezed(delta), squeezed(weight)
    if len(ours) == 2 and len(theirs) > 2:
        theirs = (theirs[0], prod(theirs[1:]))
    return len(ours) == len(theirs) and all(
        a in (b, ANY) for a, b in zip(ours, theirs, strict=True)
    )


def squeezed(shape: Shape) -> Shape:
    """[out, in, 1, 1] as [out, in]; every other shape as it is."""
    return shape[:2] if len(shape) > 3 and set(shape[2:]) == {1} else shape


class NameTable:
    """Flattened name -> pieces of one architecture, whatever name space the name is of."""

    def __init__(self, architecture: Architecture) -> None:
        self.architecture = architecture
        self._pieces: dict[str, tuple[Piece, ...]] = {}
        for name, pieces in architecture.names():
            flat = name.replace(".", "_")
            if flat and self._pieces.setdefault(flat, pieces) != pieces:
                raise ValueError(f"two modules of {architecture.id} flatten to '{flat}'")
        self._numbered: dict[frozenset[str], tuple[Leaf, ...]] = {}

    def __contains__(self, name: str) -> bool:
        return bool(self.find(name))

    def find(self, name: str) -> tuple[Piece, ...]:
        """The pieces of a flattened name, or () where the architecture has no such module."""
        numbered = split_index(name)
        if numbered is None:
            return self._pieces.get(name, ())
        classes, index = numbered
        leaves = self._numbered.get(classes)
        if leaves is None:
            leaves = self._numbered[classes] = tuple(injected(self.architecture.leaves, classes))
        return (Piece(leaves[index], None),) if index < len(leaves) else ()

    def shape(self, name: str) -> Shape | None:
        """The weight's shape under that name, or None."""
        return whole_shape(self.find(name))


@lru_cache(maxsize=256)
def table_of(architecture: Architecture) -> NameTable:
    """The table of an architecture, built once (10 ms for SDXL)."""
    return NameTable(architecture)


def whole_shape(pieces: Sequence[Piece]) -> Shape | None:
    """The shape of the weight that the pieces make up together."""
    if not pieces:
        return None
    rows = sum(piece.leaf.shape[0] for piece in pieces)
    return (rows, *pieces[0].leaf.shape[1:])


class Resolver:
    """Finds where in a loaded model the modules of a file go.

    `components` are the model's parts by the model's own names (`unet`, `te`, `te2`), `trees`
    the names that each part's modules carry; a part that `trees` omits is in the diffusers tree.
    Text-encoder modules carry transformers' `text_model.` level in `Target.module`, also where
    the installed transformers has dropped it.
    """

    def __init__(
        self, components: Mapping[str, Architecture], trees: Mapping[str, Tree] | None = None
    ) -> None:
        self._tables = {name: table_of(arch) for name, arch in components.items()}
        self._trees: dict[str, Tree] = {
            name: (trees or {}).get(name, "diffusers") for name in components
        }
        self._whole: dict[str, Mapping[str, Shape]] = {
            name: {module: found.weight for module, found in arch.modules(tree).items()}
            for (name, arch), tree in zip(components.items(), self._trees.values(), strict=True)
        }

    def resolve(self, module: FileModule, shape: Shape | None) -> tuple[Target, ...]:
        """The targets of a module, () where no part of the model has that name.

        `shape` is the delta's. It decides between text encoders where the one that the key
        names has no such module or one of another shape.
        """
        named: list[tuple[str, tuple[Piece, ...]]] = []
        for component in self._order(module.component):
            pieces = self._tables[component].find(module.name)
            if not pieces:
                continue
            if shape is None or shapes_fit(shape, whole_shape(pieces) or ()):
                return self._targets(component, pieces)
            named.append((component, pieces))
        return self._misfit(module.component, named)

    def _order(self, hint: str) -> Iterator[str]:
        """The components to try: the named one, then its kin; all of them without a hint."""
        role = "te" if hint.startswith("te") else hint
        if hint in self._tables:
            yield hint
        for name, table in self._tables.items():
            if name != hint and (not role or table.architecture.component == role):
                yield name

    def _misfit(
        self, hint: str, named: Sequence[tuple[str, tuple[Piece, ...]]]
    ) -> tuple[Target, ...]:
        """What to report where a name is known and no shape fits: the part the key names.

        A text encoder that the model lacks altogether is not a misfit of another one.
        """
        if not named:
            return ()
        component, pieces = named[0]
        if hint.startswith("te") and component != hint and hint not in self._tables:
            return ()
        return self._targets(component, pieces)

    def _targets(self, component: str, pieces: Sequence[Piece]) -> tuple[Target, ...]:
        tree = self._trees[component]
        found = [_target(component, piece, tree, alone=len(pieces) == 1) for piece in pieces]
        merged: list[Target] = []
        for target in found:
            joined = _join(merged[-1], target) if merged else None
            if joined is None:
                merged.append(target)
            else:
                merged[-1] = joined
        whole = self._whole[component]
        total = sum(piece.leaf.shape[0] for piece in pieces)
        return tuple(_simplified(target, whole[target.module], total) for target in merged)


def _target(component: str, piece: Piece, tree: Tree, *, alone: bool) -> Target:
    leaf, region = piece.leaf, piece.leaf.place(tree)
    return Target(
        component, region.module, leaf.kind, leaf.shape, region.rows,
        None if alone else piece.rows, region.parameter, region.transposed,
    )


def _join(first: Target, second: Target) -> Target | None:
    """Two neighbours as one where they touch on both sides."""
    rows = _adjoining(first.rows, second.rows)
    delta_rows = _adjoining(first.delta_rows, second.delta_rows)
    if first.module != second.module or rows is None or delta_rows is None:
        return None
    shape = (first.shape[0] + second.shape[0], *first.shape[1:])
    return replace(first, shape=shape, rows=rows, delta_rows=delta_rows)


def _adjoining(first: Rows | None, second: Rows | None) -> Rows | None:
    if first is None or second is None or first.stop != second.start:
        return None
    return Rows(first.start, second.stop)


def _simplified(target: Target, weight: Shape, total: int) -> Target:
    """Rows that mean all of a weight, or all of a delta, are left out."""
    rows, delta = target.rows, target.delta_rows
    if rows is not None and rows.count == (weight[1] if target.transposed else weight[0]):
        rows = None
    if delta is not None and delta.count == total:
        delta = None
    return replace(target, rows=rows, delta_rows=delta)


# Where the classes that cloneofsimo/lora injects into begin. The files date from a diffusers
# whose transformer block registered attn1, ff, attn2 (<= 0.16; read off a file of that time).
_OWNERS: Mapping[str, re.Pattern[str]] = {
    "Attention": re.compile(r"(.*\.attn[12])\.to_"),
    "CrossAttention": re.compile(r"(.*\.attn[12])\.to_"),
    "GEGLU": re.compile(r"(.*\.ff\.net\.0)\.proj$"),
    "CLIPAttention": re.compile(r"(.*\.self_attn)\."),
    "ResnetBlock2D": re.compile(r"(.*\.resnets\.\d+)\."),
}
_WEIGHTS = ("linear", "conv")
_BLOCK = re.compile(r"(.*\.transformer_blocks\.\d+)\.(attn1|ff|attn2)\.")
_RANK = {"attn1": 0, "ff": 1, "attn2": 2}


def injected(leaves: Sequence[Leaf], classes: frozenset[str]) -> Iterator[Leaf]:
    """The linear and convolution leaves inside modules of those classes, in injection order."""
    owners = [pattern for name, pattern in _OWNERS.items() if name in classes]
    first: dict[str, int] = {}
    ranked: list[tuple[int, int, int, Leaf]] = []
    for position, leaf in enumerate(leaves):
        name = leaf.diffusers.module
        if leaf.kind.value in _WEIGHTS and any(pattern.match(name) for pattern in owners):
            inside = _BLOCK.match(name)
            block, layer = inside.groups() if inside else (name, "")
            ranked.append((first.setdefault(block, position), _RANK.get(layer, 0), position, leaf))
    ranked.sort(key=lambda one: one[:3])
    for *_, leaf in ranked:
        yield leaf
