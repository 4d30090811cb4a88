"""Writes the parameters whose recipe changed, each from its base, wherever that is kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from loradex.networks import spares
from loradex.networks.edits import weight_for_bias
from loradex.networks.merge import Merger, Work, exact_math
from loradex.networks.model import Place
from loradex.networks.ownership import Samples, sample_of
from loradex.networks.recipe import Recipe, Step
from loradex.networks.residency import Residency
from loradex.networks.slots import Slot

Todo = Sequence[tuple[Slot, Recipe]]


@dataclass(eq=False)
class Rebuild:
    """One apply's writing; `slots` are all that were ever written, `roots` the model's parts."""

    slots: Mapping[Place, Slot]
    residency: Residency
    roots: Collection[nn.Module]
    work: Work

    def write(self, todo: Todo) -> None:
        """Every slot holds its recipe afterwards.

        Raises:
            OverflowError: a weight left the range of its type.
            torch.cuda.OutOfMemoryError: not even the factors have room.
        """
        if not todo:
            return
        chosen = [slot for slot, _ in todo]
        for slot in chosen:
            spares.drop_stale(slot)
        spares.hand_over(self.slots.values(), chosen)
        merger = Merger(self.work)
        inference = any(slot.inference for slot in chosen)
        with exact_math(sorted({slot.device_type for slot in chosen}), inference=inference):
            self.residency.promote(chosen)
            self.residency.place(chosen, self.roots)
            views = [self._fill(slot, recipe, merger) for slot, recipe in todo]
            _know_by(chosen, views)
            merger.check_range()

    def _fill(self, slot: Slot, recipe: Recipe, merger: Merger) -> Tensor:
        """Returns the sample of what was written, still a view of it."""
        live = slot.live
        if live is None:
            live = self._buffer(slot)
        edit = recipe.steps[0].edit
        base = slot.base_here
        if edit.is_bias:
            weight = self._pristine(recipe.steps, live)
            merger.bias(base, live, weight, recipe.steps)
        else:
            assert base is not None
            merger.weight(base, live, recipe.steps)
        slot.point_at_live(recipe)
        self.work.slots_rebuilt += 1
        return sample_of(live, slot.window)

    def _buffer(self, slot: Slot) -> Tensor:
        """Memory for the slot's live values: new, or its base's own where the card is full."""
        try:
            slot.spare = slot.new_buffer()
            self.work.bytes_allocated += slot.nbytes
        except torch.cuda.OutOfMemoryError:
            if not self.residency.make_way(slot, self.roots):
                raise
        live = slot.live
        assert live is not None
        return live

    def _pristine(self, steps: Sequence[Step], like: Tensor) -> Tensor:
        """The weight beside a bias, as the checkpoint has it, where a type asks for it."""
        edit = next((step.edit for step in steps if step.edit.codec.weight_dependent),
                    steps[0].edit)
        slot = self.slots.get(edit.weight)
        if edit.codec.weight_dependent and slot is not None and slot.base is not None:
            return slot.base.to(like.device)
        return weight_for_bias(edit.weight, edit.codec, like)



def _know_by(slots: Sequence[Slot], views: Sequence[Tensor]) -> None:
    """By their samples the slots know their values again; nothing else is held of them."""
    kinds = {(view.device, view.dtype) for view in views}
    for kind in kinds:
        mine = [index for index, view in enumerate(views)
                if len(kinds) == 1 or (view.device, view.dtype) == kind]
        samples = Samples.of([views[index] for index in mine])
        for number, index in enumerate(mine):
            slots[index].know_by(samples, number)
