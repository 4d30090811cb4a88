"""Buffers of slots that are off: handed to slots that need one, counted, given back."""

from __future__ import annotations

from collections.abc import Collection, MutableMapping, Sequence

from loradex.networks.model import Place
from loradex.networks.slots import Slot


def hand_over(slots: Collection[Slot], wanting: Sequence[Slot]) -> None:
    """Buffers of slots that are off now go to slots that need one of the same kind.

    What is left over is given back before anything new is allocated, so that the extra memory
    never exceeds the weights that one stack touches.
    """
    needy = [slot for slot in wanting if not slot.has_room]
    if not needy:
        return
    chosen = set(map(id, wanting))
    spares: dict[tuple[object, ...], list[Slot]] = {}
    for slot in slots:
        if slot.spare is not None and id(slot) not in chosen:
            spares.setdefault(_kind(slot), []).append(slot)
    unmet = False
    for slot in needy:
        same = spares.get(_kind(slot))
        if same:
            giver = same.pop()
            slot.spare, giver.spare = giver.spare, None
        else:
            unmet = True
    if unmet:
        for giver in (slot for group in spares.values() for slot in group):
            giver.spare = None


def release(slots: MutableMapping[Place, Slot]) -> int:
    """Lets go of the slots that are off and wait for nothing; returns their buffers' bytes."""
    freed = 0
    for place, slot in list(slots.items()):
        if slot.recipe is None and slot.awaited is None:
            freed += slot.nbytes
            del slots[place]
    return freed


def counted(slots: Collection[Slot]) -> tuple[int, int]:
    """Bytes of the buffers that are on, and of those that are off."""
    on = sum(slot.nbytes for slot in slots if slot.recipe is not None)
    return on, sum(slot.nbytes for slot in slots) - on


def drop_stale(slot: Slot) -> None:
    """A spare for a bias that the layer lacks is of no use where its weight has moved."""
    spare = slot.spare
    if slot.bare and spare is not None:
        weight = slot.weight_beside
        if spare.dtype is not weight.dtype or spare.device != weight.device:
            slot.spare = None


def _kind(slot: Slot) -> tuple[object, ...]:
    """Buffers of one kind may take each other's place."""
    base = slot.base
    if base is None:
        return (slot.place.key,)
    return (tuple(base.shape), base.stride(), base.dtype, base.device, slot.inference)
