"""A stack of networks as recipes: for each parameter the ordered sum that makes its live value.

The strength of an edit is its component's times its block's weight. What is to hold for a part of
the picture alone would be one more field of a step and of the recipe's key.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from loradex.networks.block_weights import BlockWeights
from loradex.networks.edits import Edit, Key
from loradex.networks.model import DENOISERS, Place
from loradex.networks.network import Network, Stamp
from loradex.networks.plan import Plan


@dataclass(frozen=True)
class StackEntry:
    """One use of a network, with the user's numbers.

    `scheduled` tells that the denoiser's number changes during the run. `uses` are the entries
    that this one is the sum of, where there are several.
    """

    network: Network
    te_strength: float = 1.0
    unet_strength: float = 1.0
    dyn_dim: int | None = None
    blocks: BlockWeights | None = None
    scheduled: bool = False
    uses: tuple[StackEntry, ...] = ()

    def strength(self, component: str) -> float:
        return self.unet_strength if component in DENOISERS else self.te_strength

    def acts_on(self, component: str) -> bool:
        """Whether it may change something there before the run is over."""
        if self.uses:
            return any(one.acts_on(component) for one in self.uses)
        return bool(self.strength(component)) or (self.scheduled and component in DENOISERS)

    def strength_of(self, edit: Edit) -> float:
        """The strength of one edit: fsum rounds once, so the order of equal networks is free."""
        if self.uses:
            return math.fsum(one.strength_of(edit) for one in self.uses)
        strength = self.strength(edit.component)
        return strength if self.blocks is None else strength * self.blocks.of(edit)

    @property
    def identity(self) -> tuple[Stamp, int]:
        """Entries of one identity are one network used twice: their strengths add."""
        return (self.network.stamp, -1 if self.dyn_dim is None else self.dyn_dim)

    @property
    def key(self) -> tuple[object, ...]:
        """Stacks of equal keys give equal recipes."""
        return (self.identity, self.te_strength, self.unet_strength, self.weighed)

    @property
    def weighed(self) -> tuple[object, ...]:
        """The block weights as a value; empty without any."""
        if self.uses:
            return tuple(one.key for one in self.uses)
        return () if self.blocks is None else (self.blocks.blocks, self.blocks.rules)


class Step(NamedTuple):
    """One term of a recipe: strength * delta. A tuple, of which a switch makes thousands."""

    edit: Edit
    strength: float
    dyn_dim: int | None


class Recipe(NamedTuple):
    """What a parameter is made of; two recipes of one key give the same bits."""

    place: Place
    steps: tuple[Step, ...]
    key: tuple[tuple[Key, float, int | None], ...]

    @property
    def beside(self) -> bool:
        """Whether the parameter is left alone: all edits of one parameter agree on that."""
        return self.steps[0].edit.beside


def combined(stack: Iterable[StackEntry]) -> tuple[StackEntry, ...]:
    """The stack in an order that does not depend on the tags', each network once.

    fsum rounds once, so the sum of equal networks' strengths does not depend on the order either.
    """
    groups: dict[tuple[Stamp, int], list[StackEntry]] = {}
    for entry in stack:
        groups.setdefault(entry.identity, []).append(entry)
    return tuple(_sum(groups[identity]) for identity in sorted(groups))


def _sum(entries: Sequence[StackEntry]) -> StackEntry:
    if len(entries) == 1:
        return entries[0]
    te = math.fsum(entry.te_strength for entry in entries)
    unet = math.fsum(entry.unet_strength for entry in entries)
    blocks = {entry.weighed for entry in entries}
    return StackEntry(
        entries[0].network, te, unet, entries[0].dyn_dim,
        scheduled=any(entry.scheduled for entry in entries),
        uses=tuple(entries) if blocks != {()} else (),
    )


def make_recipes(
    entries: Sequence[StackEntry], plans: Mapping[Stamp, Plan]
) -> dict[Place, Recipe]:
    """The recipes of a combined stack; a strength of zero adds nothing, so it is left out."""
    steps: dict[Place, list[Step]] = {}
    for entry in entries:
        for edit in plans[entry.network.stamp].edits:
            strength = entry.strength_of(edit)
            if strength == 0.0:
                continue
            if edit.codec.replaces:
                strength = 1.0
            steps.setdefault(edit.place, []).append(Step(edit, strength, entry.dyn_dim))
    return {place: _recipe(place, found) for place, found in steps.items()}


def _recipe(place: Place, steps: Sequence[Step]) -> Recipe:
    key = tuple((step.edit.key, step.strength, step.dyn_dim) for step in steps)
    return Recipe(place, tuple(steps), key)
