"""One model part as leaves: each weight, or the piece of it, that has a place in both trees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from loradex.keys.targets import Kind, Rows, Shape, Tree


@dataclass(frozen=True)
class Region:
    """A place in one tree: a module's weight, or some of its rows.

    `parameter` is the tensor's name inside the module, '' where `module` is the tensor itself;
    `transposed` tells that it is stored as [in, out] (the text projection of open_clip).
    """

    module: str
    rows: Rows | None = None
    parameter: str = "weight"
    transposed: bool = False

    @property
    def key(self) -> str:
        """The tensor's key in a state dict."""
        return f"{self.module}.{self.parameter}" if self.parameter else self.module


@dataclass(frozen=True)
class Leaf:
    """A weight, or the largest rows of one, that no tree cuts further.

    `shape` is the leaf's own: [out, in], [out, in, kh, kw] or [channels].
    """

    kind: Kind
    shape: Shape
    bias: bool
    diffusers: Region
    native: Region

    def place(self, tree: Tree) -> Region:
        return self.diffusers if tree == "diffusers" else self.native


@dataclass(frozen=True)
class ModuleShape:
    """What one module of a tree holds: its kind, its whole weight's shape, whether it has a bias.

    `parameter` is the weight's name in the module, `weight` its shape as stored there.
    """

    kind: Kind
    weight: Shape
    bias: bool
    parameter: str = "weight"


class Piece(NamedTuple):
    """A leaf as one name sees it: the leaf and the rows it takes of the named weight."""

    leaf: Leaf
    rows: Rows | None


@dataclass(frozen=True, eq=False)
class Architecture:
    """The derived table of one model part; compared by identity, so that it can be a cache's key.

    `component` is `denoiser`, `te` or `motion`, as a file names it. `optional_prefix` is a level
    of the diffusers names that writers leave out (`text_model.`). `aliases` are further names that
    files use, each for several leaves in order. `ambiguous` are module names that mean another
    weight in each tree, so that a file's name says nothing. `features` are the numbers that
    messages quote.
    """

    id: str
    component: str
    leaves: tuple[Leaf, ...]
    optional_prefix: str = ""
    aliases: Mapping[str, tuple[Leaf, ...]] = field(default_factory=dict)
    features: Mapping[str, int] = field(default_factory=dict)
    ambiguous: frozenset[str] = frozenset()

    def modules(self, tree: Tree) -> Mapping[str, ModuleShape]:
        """Module name -> shape in a tree; fused modules are put together from their leaves."""
        found: dict[str, ModuleShape] = {}
        for name, pieces in self._grouped(tree).items():
            first = pieces[0].leaf
            rows = sum(piece.leaf.shape[0] for piece in pieces)
            weight = (rows, *first.shape[1:])
            region = first.place(tree)
            if region.transposed:
                weight = (*first.shape[1:], rows)
            found[name] = ModuleShape(first.kind, weight, first.bias, region.parameter)
        return MappingProxyType(found)

    def names(self) -> Iterator[tuple[str, tuple[Piece, ...]]]:
        """Every (name, pieces) by which a file may mean a module, in all name spaces."""
        for tree in ("diffusers", "native"):
            for name, pieces in self._grouped(tree).items():
                if name in self.ambiguous:
                    continue
                yield name, pieces
                if self.optional_prefix and name.startswith(self.optional_prefix):
                    yield name[len(self.optional_prefix):], pieces
        for name, leaves in self.aliases.items():
            yield name, _stacked(leaves)

    def _grouped(self, tree: Tree) -> dict[str, tuple[Piece, ...]]:
        groups: dict[str, list[Piece]] = {}
        for leaf in self.leaves:
            region = leaf.place(tree)
            groups.setdefault(region.module, []).append(Piece(leaf, region.rows))
        return {name: _in_order(pieces) for name, pieces in groups.items()}


def _in_order(pieces: list[Piece]) -> tuple[Piece, ...]:
    return tuple(sorted(pieces, key=lambda piece: piece.rows.start if piece.rows else 0))


def _stacked(leaves: Iterable[Leaf]) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    start = 0
    for leaf in leaves:
        pieces.append(Piece(leaf, Rows(start, start + leaf.shape[0])))
        start += leaf.shape[0]
    return tuple(pieces)


class Builder:
    """Collects leaves while a walk goes through a model; both names are given for each."""

    def __init__(self) -> None:
        self.leaves: list[Leaf] = []

    def add(
        self, kind: Kind, shape: Shape, diffusers: Region | str, native: Region | str,
        *, bias: bool = True,
    ) -> Leaf:
        leaf = Leaf(kind, shape, bias, _region(diffusers), _region(native))
        self.leaves.append(leaf)
        return leaf

    def linear(
        self, diffusers: Region | str, native: Region | str, out: int, inp: int, *,
        bias: bool = True,
    ) -> Leaf:
        return self.add(Kind.LINEAR, (out, inp), diffusers, native, bias=bias)

    def conv(
        self, diffusers: str, native: str, out: int, inp: int, kernel: int = 3, *,
        bias: bool = True,
    ) -> Leaf:
        return self.add(Kind.CONV, (out, inp, kernel, kernel), diffusers, native, bias=bias)

    def norm(
        self, diffusers: Region | str, native: Region | str, size: int, *, bias: bool = True
    ) -> Leaf:
        return self.add(Kind.NORM, (size,), diffusers, native, bias=bias)

    def split(
        self, parts: Iterable[tuple[str, int]], native: str, inp: int, *, bias: bool = True,
        parameter: str = "weight",
    ) -> tuple[Leaf, ...]:
        """Linears of the diffusers tree that are rows of one native weight, in this order."""
        leaves: list[Leaf] = []
        start = 0
        for name, out in parts:
            region = Region(native, Rows(start, start + out), parameter)
            leaves.append(self.linear(name, region, out, inp, bias=bias))
            start += out
        return tuple(leaves)

    def swapped(
        self, diffusers: str, native: str, half: int, inp: int, *, bias: bool = True
    ) -> None:
        """A final adaLN [2 * half, inp]: diffusers keeps scale first, the native tree shift."""
        first, second = Rows(0, half), Rows(half, 2 * half)
        for ours, theirs in ((first, second), (second, first)):
            self.linear(Region(diffusers, ours), Region(native, theirs), half, inp, bias=bias)


def _region(place: Region | str) -> Region:
    return Region(place) if isinstance(place, str) else place
