"""The table of a model in memory or in a file, from its own names: known, derived, or its names."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from loradex.compat.families import FAMILIES, Part
from loradex.compat.real_tables import (
    ALIKE,
    Shapes,
    generic_table,
    likest,
    real_table,
    trees_alike,
)
from loradex.keys.architecture import Architecture
from loradex.keys.from_shapes import from_shapes, is_table_of
from loradex.keys.read_text import with_text_level
from loradex.keys.targets import Shape, Tree

Table = tuple[Architecture, Tree]


def live_table(own: Shapes, role: str) -> Table | None:
    """The table of a `denoiser` or `te` and the tree of its names; None where nothing is named.

    A known family's own table is given where it holds, else one derived from the shapes, else the
    bare names. Models with the same tensors share one table, so that what is kept for it holds
    when a checkpoint is loaded again.
    """
    return _live_table(tuple(own.items()), role)


@lru_cache(maxsize=16)
def _live_table(tensors: tuple[tuple[str, Shape], ...], role: str) -> Table | None:
    own = with_text_level(dict(tensors)) if role == "te" else dict(tensors)
    known = _known(own, role)
    if known is not None and known.share == 1:
        return known.table
    derived = derived_table(own, role)
    if known is not None and (derived is None or known.size >= len(derived[0].leaves)):
        return known.table
    if derived is not None:
        return derived
    generic = generic_table(own, role)
    return (generic, "native") if generic.leaves else None


def derived_table(own: Shapes, role: str) -> Table | None:
    """The table that the sizes of the tensors themselves ask for, without what they lack."""
    found = from_shapes(own, role)
    if found is None:
        return None
    architecture, tree = found
    return real_table(architecture, tree, own), tree


class _Known(NamedTuple):
    """The table of a known model, and how alike its matrices are."""

    share: float
    size: int
    table: Table


def _known(own: Shapes, role: str) -> _Known | None:
    """The known model that is most alike and has no tensor of another shape."""
    if role == "denoiser":
        alike = [(one.tree, one.share, one.architecture) for one in likest(own)]
    else:
        alike = [one for part in _encoder_parts() for one in trees_alike(part, own)]
    found = [_as_known(one, tree, share, own) for tree, share, one in alike if share >= ALIKE]
    fitting = [one for one in found if is_table_of(*one.table, own)]
    return max(fitting, key=lambda one: (one.share, one.size), default=None)


def _as_known(one: Architecture, tree: Tree, share: float, own: Shapes) -> _Known:
    real = real_table(one, tree, own)
    return _Known(share, len(real.leaves), (real, tree))


@lru_cache(maxsize=1)
def _encoder_parts() -> tuple[Part, ...]:
    """The text encoders of all families, each kind once."""
    found: dict[str, Part] = {}
    for family in FAMILIES:
        for part in family.parts:
            if part.component.startswith("te"):
                found.setdefault(f"{part.class_name} {sorted(part.config.items())}", part)
    return tuple(found.values())
