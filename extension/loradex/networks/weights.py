"""The parameters of a model that recipes are written into, and those that recipes wait for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping

from torch import nn

from loradex.networks.arrivals import Arrivals, gate_of
from loradex.networks.merge import Work
from loradex.networks.model import BoundModel, Place
from loradex.networks.ownership import Owner
from loradex.networks.rebuild import Rebuild, Todo
from loradex.networks.recipe import Recipe
from loradex.networks.residency import Residency
from loradex.networks.slots import Slot
from loradex.networks.storage import is_compiled


class Weights:
    """Slots by place; `arrived` is told when a layer is called whose recipe waits."""

    def __init__(
        self, model: BoundModel, residency: Residency, arrived: Callable[[nn.Module], None]
    ) -> None:
        self.slots: dict[Place, Slot] = {}
        self._model = model
        self._residency = residency
        self._arrivals = Arrivals(arrived)

    def __bool__(self) -> bool:
        """Whether any weight differs from the checkpoint's, or will when it computes."""
        on = any(slot.recipe is not None for slot in self.slots.values())
        return on or bool(self._arrivals)

    def put(self, recipes: Mapping[Place, Recipe], work: Work) -> list[tuple[Slot, Recipe]]:
        """Exactly these recipes; those that are new."""
        for place in recipes.keys() - self.slots.keys():
            self.slots[place] = Slot.first_touch(place)
        todo = [(slot, recipe) for place, recipe in recipes.items()
                if _differs(slot := self.slots[place], recipe)]
        self._take_off(recipes, work)
        waiting = self._waiting(todo)
        for slot, recipe in waiting.values():
            self._hold_back(slot, recipe)
        work.slots_waiting += len(waiting)
        now = [one for one in todo if one[0].place not in waiting]
        self._arrivals.drop([slot.place for slot, _ in now])
        self._write(now, work)
        return todo

    def arrive(self, module: nn.Module, work: Work) -> None:
        """Before a layer computes: its recipe is written, and all others that have arrived."""
        self._write(self._arrivals.take(module), work)

    def restore(self, work: Work) -> None:
        """The checkpoint's own weights; buffers are kept."""
        self._take_off((), work)

    def give_up(self) -> None:
        """The checkpoint's own weights, whatever was under way."""
        self._arrivals.keep(())
        for slot in self.slots.values():
            slot.restore()

    def reconcile(self) -> tuple[bool, Counter[str]]:
        """Follows what was moved; whether anything was, and what others replaced by component."""
        moved, lost = False, Counter[str]()
        for place, slot in list(self.slots.items()):
            owner = slot.owner()
            if owner is Owner.OURS:
                continue
            moved = True
            if owner is Owner.MOVED:
                slot.follow(self._model.computes_on)
            else:
                self._lose(slot)
                lost[place.component] += 1
        return moved, lost

    def _lose(self, slot: Slot) -> None:
        self._arrivals.drop([slot.place])
        slot.let_go()
        del self.slots[slot.place]

    def _take_off(self, wanted: Collection[Place], work: Work) -> None:
        self._arrivals.keep(wanted)
        for place, slot in self.slots.items():
            if slot.recipe is not None and place not in wanted:
                slot.restore()
                work.slots_restored += 1

    def _waiting(self, todo: Todo) -> dict[Place, tuple[Slot, Recipe]]:
        """Those in main memory whose layers compute elsewhere."""
        if self._model.computes_on in ("", "cpu"):
            return {}
        found = {slot.place: (slot, recipe) for slot, recipe in todo
                 if slot.device_type == "cpu" and gate_of(slot.place) is not None}
        parts = {place.component for place in found}
        compiled = {name for name in parts if is_compiled(self._model.components[name].root)}
        return {place: one for place, one in found.items() if place.component not in compiled}

    def _hold_back(self, slot: Slot, recipe: Recipe) -> None:
        """Until then the layer has the checkpoint's weight, which its host sends over anyway."""
        if slot.recipe is not None:
            slot.restore()
        slot.spare = None
        self._arrivals.wait(slot, recipe)

    def _write(self, todo: Todo, work: Work) -> None:
        roots = [part.root for part in self._model.components.values()]
        Rebuild(self.slots, self._residency, roots, work).write(todo)


def _differs(slot: Slot, recipe: Recipe) -> bool:
    """Whether the slot neither has this recipe nor waits for it."""
    old = slot.awaited or slot.recipe
    return old is None or old.key != recipe.key
