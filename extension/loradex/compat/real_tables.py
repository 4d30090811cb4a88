"""The tables of what a file really holds: a family's table held against the file's own tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from loradex.compat.facts import INPUT_LAYERS
from loradex.compat.families import FAMILIES, Family
from loradex.compat.family import Part
from loradex.keys.architecture import Architecture, Leaf, Region
from loradex.keys.derive import DERIVATIONS
from loradex.keys.from_shapes import TREES
from loradex.keys.targets import Kind, Shape, Tree

Shapes = Mapping[str, Shape]


def _takes_input(module: str) -> bool:
    return module.replace(".", "_") in INPUT_LAYERS


def edition_of(one: Family, real: Architecture) -> str:
    """The edition of a family that has these input channels, or lacks these layers; or ''."""
    inputs = next((leaf.shape[1] for leaf in real.leaves
                   if _takes_input(leaf.diffusers.module) and len(leaf.shape) > 1), 0)
    places = [leaf.place(tree).module for leaf in real.leaves for tree in TREES]
    flat = [name.replace(".", "_") for name in places]
    for edition in one.editions:
        if edition.inputs and edition.inputs == inputs:
            return edition.name
        if edition.lacks and not any(name.startswith(edition.lacks) for name in flat):
            return edition.name
    return ""


@dataclass(frozen=True)
class Likeness:
    """How alike a file's tensors and a part of a family are, in one tree of names.

    `share` is 1 where the matrices of both are the same; biases and norms are not looked at.
    """

    family: Family
    tree: Tree
    share: float
    architecture: Architecture


@lru_cache(maxsize=128)
def _expected(architecture: Architecture, tree: Tree) -> Mapping[str, Shape]:
    """Key -> stored shape of every matrix and convolution of a table."""
    found = {}
    for name, module in architecture.modules(tree).items():
        if len(module.weight) > 1:
            found[f"{name}.{module.parameter}" if module.parameter else name] = module.weight
    return found


ALIKE = 0.97
"""From this likeness on a file is of a family; SSD-1B and SDXL are alike by 0.7."""

_PREFIXES = ("model.diffusion_model.", "diffusion_model.", "net.", "unet.", "transformer.",
             "model.")


def denoiser_prefix(shapes: Shapes) -> str:
    """What stands before the denoiser's own names in a file."""
    return next((one for one in _PREFIXES if any(name.startswith(one) for name in shapes)), "")


PACKED: Shape = (-1, -1)
"""The shape of a weight that lies packed in a file, so that its own shape is not known."""
_PACKED_MARKS = (".absmax", ".quant_state.bitsandbytes__nf4", ".quant_state.bitsandbytes__fp4")


def unpacked(shapes: Shapes) -> Shapes:
    """The same with the weights that bitsandbytes has packed into bytes marked as such."""
    packed = {name.removesuffix(mark) for name in shapes for mark in _PACKED_MARKS
              if name.endswith(mark)}
    return {name: PACKED if name in packed else shape for name, shape in shapes.items()}


def under(shapes: Shapes, prefix: str) -> Shapes:
    """The tensors below a prefix, without it."""
    return {name[len(prefix):]: one for name, one in shapes.items() if name.startswith(prefix)}


def likest(own: Shapes, component: str = "denoiser") -> list[Likeness]:
    """The families whose main part is most like these tensors, the best ones only."""
    found = [
        Likeness(one, *alike) for one in FAMILIES if one.main == component
        for alike in trees_alike(one.parts[0], own)
    ]
    best = max((one.share for one in found), default=0.0)
    ties = [one for one in found if one.share == best]
    if len(ties) > 1:  # Sana 1.5 and Sana differ in their norms alone
        vectors = sum(len(shape) == 1 for shape in own.values())
        most = max(_vectors_alike(one, own, vectors) for one in ties)
        ties = [one for one in ties if _vectors_alike(one, own, vectors) == most]
    return ties


def _vectors_alike(one: Likeness, own: Shapes, vectors: int) -> float:
    """How alike the norms are; biases are in nobody's table."""
    norms = [f"{name}.{module.parameter}" for name, module
             in one.architecture.modules(one.tree).items() if len(module.weight) == 1]
    return 2 * sum(name in own for name in norms) / max(1, len(norms) + vectors)


def _opens(part: Part, names: Sequence[str]) -> bool:
    """Whether at least half of some names begin as this class's; no table is derived for that."""
    derivation = DERIVATIONS.get(part.class_name)
    if derivation is None or not names:
        return False
    return 2 * sum(name.startswith(derivation.openings) for name in names) >= len(names)


def trees_alike(part: Part, own: Shapes) -> Iterator[tuple[Tree, float, Architecture]]:
    """How alike the tensors and a part are, in each tree; nothing where they begin otherwise."""
    matrices = [name for name, shape in own.items() if len(shape) > 1]
    sample = [name.replace(".", "_") for name in matrices[:: max(1, len(matrices) // 12)]]
    if not _opens(part, sample):
        return
    architecture = part.table.architecture
    for tree in TREES:
        expected = _expected(architecture, tree)
        same = sum(_same(key, own.get(key), shape) for key, shape in expected.items())
        yield tree, 2 * same / max(1, len(expected) + len(matrices)), architecture


def _same(key: str, real: Shape | None, expected: Shape) -> bool:
    if real is None or real in (expected, PACKED):
        return real is not None
    module = key.rpartition(".")[0]
    return _takes_input(module) and real[:1] == expected[:1] and real[2:] == expected[2:]


def real_table(architecture: Architecture, tree: Tree, own: Shapes) -> Architecture:
    """The table without the leaves that the file lacks, with the input layer as the file has it.

    A file that has everything as it is gets the family's own table, which is built already.
    """
    kept: dict[int, Leaf] = {}
    for leaf in architecture.leaves:
        real = own.get(leaf.place(tree).key)
        if real is not None:
            kept[id(leaf)] = _with_input(leaf, leaf.place(tree).key, real)
    if len(kept) == len(architecture.leaves) and all(
        kept[id(leaf)] is leaf for leaf in architecture.leaves
    ):
        return architecture
    aliases = {
        name: tuple(kept[id(leaf)] for leaf in leaves)
        for name, leaves in architecture.aliases.items()
        if all(id(leaf) in kept for leaf in leaves)
    }
    return replace(architecture, leaves=tuple(kept.values()), aliases=aliases)


def _with_input(leaf: Leaf, key: str, real: Shape) -> Leaf:
    if real in (leaf.shape, PACKED) or len(real) != len(leaf.shape) or not _takes_input(
        key.rpartition(".")[0]
    ):
        return leaf
    return replace(leaf, shape=real)


def has_part(part: Part, own: Shapes) -> Tree | None:
    """In which tree the tensors are this text encoder, or None."""
    architecture = part.table.architecture
    for tree in TREES:
        expected = _expected(architecture, tree)
        there = sum(_real(own, key, architecture.optional_prefix) == shape
                    for key, shape in expected.items())
        if there >= _MOST * len(expected):
            return tree
    return None


_MOST = 0.95
"""A projection, or a table of positions, may be left out of a file."""


def _real(own: Shapes, key: str, optional: str) -> Shape | None:
    found = own.get(key)
    return found if found is not None or not optional else own.get(key.removeprefix(optional))


_KINDS = {1: Kind.NORM, 2: Kind.LINEAR, 4: Kind.CONV, 5: Kind.CONV}


def generic_table(own: Shapes, component: str) -> Architecture:
    """The table of a model of no known family, from its own `X.weight` names alone."""
    leaves: dict[str, Leaf] = {}
    for key, shape in own.items():
        name, _, parameter = key.rpartition(".")
        kind = _KINDS.get(len(shape))
        if parameter == "weight" and name and kind is not None:
            place = Region(name)
            leaf = Leaf(kind, shape, f"{name}.bias" in own, place, place)
            leaves.setdefault(name.replace(".", "_"), leaf)
    return Architecture(f"generic-{component}", component, tuple(leaves.values()))
