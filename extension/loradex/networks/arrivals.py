"""Recipes that wait for their weights to come to the device that computes with them.

Hosts with a small card keep the parts of a model in main memory and send each one over just before
it computes (`--medvram`, `--lowvram`, Forge). The card writes a recipe in microseconds, a processor
takes a thousand times as long, so a recipe waits until its layer is about to be called.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Iterable
from typing import Any

from torch import nn
from torch.nn.modules.conv import _ConvNd

from loradex.networks.model import Place
from loradex.networks.recipe import Recipe
from loradex.networks.slots import Slot

CALLED = (nn.Linear, _ConvNd, nn.LayerNorm, nn.GroupNorm, nn.Embedding, nn.MultiheadAttention)
"""Layers whose weights are used in their own call and nowhere else."""


class Arrivals:
    """What is to be written when it arrives; `arrived` is told which layer is about to compute."""

    def __init__(self, arrived: Callable[[nn.Module], None]) -> None:
        self._hook = _telling(arrived)
        self._waiting: dict[Place, Slot] = {}
        self._hooks: dict[nn.Module, Any] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def wait(self, slot: Slot, recipe: Recipe) -> None:
        """The slot is the checkpoint's until its layer is called, and then after the recipe."""
        self._waiting[slot.place] = slot
        slot.awaited, slot.former = recipe, slot.base
        gate = gate_of(slot.place)
        assert gate is not None
        if gate not in self._hooks:
            self._hooks[gate] = gate.register_forward_pre_hook(self._hook)

    def drop(self, places: Iterable[Place]) -> None:
        """These wait for nothing any more."""
        for place in places if self._hooks else ():
            slot = self._waiting.pop(place, None)
            if slot is not None:
                slot.awaited = slot.former = None
        wanted = {gate_of(place) for place in self._waiting}
        for gate in self._hooks.keys() - wanted:
            self._hooks.pop(gate).remove()

    def keep(self, wanted: Collection[Place]) -> None:
        """Only these may go on waiting."""
        self.drop([place for place in self._waiting if place not in wanted])

    def take(self, module: nn.Module) -> list[tuple[Slot, Recipe]]:
        """What has left main memory by now, and what this layer has wherever that is."""
        found: list[tuple[Slot, Recipe]] = []
        for place, slot in list(self._waiting.items()):
            if slot.awaited and (gate_of(place) is module or slot.device_type != "cpu"):
                found.append((slot, slot.awaited))
                slot.awaited = None
                del self._waiting[place]
        self.drop(())
        return found


def gate_of(place: Place) -> nn.Module | None:
    """The module before whose call a recipe may be written at the latest; `None`: it cannot wait.

    torch's attention reads the weights of its last layer without calling that.
    """
    if isinstance(place.module, nn.modules.linear.NonDynamicallyQuantizableLinear):
        return place.holder if isinstance(place.holder, nn.MultiheadAttention) else None
    return place.module if isinstance(place.module, CALLED) else None


def _telling(arrived: Callable[[nn.Module], None]) -> Callable[[nn.Module, Any], None]:
    """A hook that keeps nothing alive: the model may outlive who waits, and the other way round."""
    method = weakref.WeakMethod(arrived)

    def before(module: nn.Module, _: Any) -> None:
        tell = method()
        if tell is not None:
            tell(module)

    return before
