"""Where the checkpoint's own values stay while networks are on: beside them, or in main memory.

On a graphics card with room both stay there, and taking networks off moves no byte. Where room is
short, the networks are written over the checkpoint's values and those wait in main memory, so that
the card holds no weight twice; a switch then has to send them over again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from loradex.networks.slots import Slot

BaseMemory = Literal["auto", "device", "host"]
"""`device`: always beside the weights; `host`: always in main memory; `auto`: as room allows."""

RESERVE_BYTES = 3 << 30
"""Left for the pictures themselves: SDXL at 1024 x 1024 with its VAE takes about that much."""
LEAST_FREE_BYTES = 1 << 30
"""With less than this left, values that are on the card already leave it as well."""
CHUNK_BYTES = 256 << 20
"""torch's allocator of pinned memory rounds up to a power of two, so one is asked for."""
ALIGNMENT = 256

Room = Callable[[torch.device], "int | None"]


def free_bytes(device: torch.device) -> int | None:
    """Bytes that could be allocated there; `None` where main memory is no other memory.

    What torch holds and does not use counts as free. A kind of device that does not tell has none.
    """
    if device.type in ("cpu", "mps", "meta"):
        return None
    backend: Any = getattr(torch, device.type, None)
    if not hasattr(backend, "mem_get_info"):
        return 0
    try:
        unused = backend.memory_reserved(device) - backend.memory_allocated(device)
        return int(backend.mem_get_info(device)[0] + unused)
    except RuntimeError:  # a driver that does not tell
        return 0


@dataclass(eq=False)
class HostMemory:
    """Main memory for tensors of a device; pinned, where the system gives such memory.

    It goes back when the last tensor in a chunk does.
    """

    _chunk: Tensor | None = None
    _used: int = 0

    def like(self, tensor: Tensor) -> Tensor:
        """Room for the values of a tensor, in its shape, strides and dtype."""
        with torch.inference_mode(False):
            if tensor.device.type == "cpu" or not _is_dense(tensor):
                return torch.empty_like(tensor, device="cpu")
            raw = self._take(tensor.nbytes)
            return raw.view(tensor.dtype).as_strided(tensor.shape, tensor.stride())

    def _take(self, size: int) -> Tensor:
        if size > CHUNK_BYTES // 2:
            return _main_memory(size)
        if self._chunk is None or self._used + size > CHUNK_BYTES:
            self._chunk, self._used = _main_memory(CHUNK_BYTES), 0
        start = self._used
        self._used += -(-size // ALIGNMENT) * ALIGNMENT
        return self._chunk[start : start + size]

    def close(self) -> None:
        """No more tensors go into the chunk that is begun."""
        self._chunk = None


def _main_memory(size: int) -> Tensor:
    try:
        return torch.empty(size, dtype=torch.uint8, pin_memory=torch.cuda.is_available())
    except RuntimeError:  # the system has no more memory that it can pin
        return torch.empty(size, dtype=torch.uint8)


def _is_dense(tensor: Tensor) -> bool:
    """Whether its values fill one piece of memory, in whatever order."""
    sizes = sorted(zip(tensor.stride(), tensor.shape, strict=True))
    expected = 1
    for stride, size in sizes:
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True


@dataclass(eq=False)
class Residency:
    """Decides for every slot that is about to be written where its base stays."""

    keep: BaseMemory = "auto"
    free: Room = free_bytes
    memory: HostMemory = field(default_factory=HostMemory)

    def place(self, slots: Iterable[Slot], roots: Collection[nn.Module]) -> None:
        """Before slots are written: those without room for a second copy give up their own.

        A base that the host has just sent over stays where it came from: it goes back there.
        """
        left: dict[torch.device, int | None] = {}
        crowded = [
            slot for slot in slots
            if not slot.has_room and (base := slot.base) is not None
            and (self._has_former(slot) or not self._stays(base, left))
        ]
        shared = _shared(roots) if crowded else frozenset()
        for slot in crowded:
            self._leave(slot, shared)

    def make_way(self, slot: Slot, roots: Collection[nn.Module]) -> bool:
        """Has a slot written in its base's place after all; whether that is possible."""
        return self.keep != "device" and self._leave(slot, _shared(roots))

    def _leave(self, slot: Slot, shared: frozenset[int]) -> bool:
        """A weight whose memory another parameter has too is never written over."""
        base = slot.base
        if base is None or base.data_ptr() in shared or not _is_whole(base):
            return False
        slot.to_host(self.memory.like)
        return True

    def promote(self, slots: Iterable[Slot]) -> None:
        """Bases that wait in main memory come back where there is room for them by now."""
        left: dict[torch.device, int | None] = {}
        for slot in slots:
            if not slot.away or self.keep == "host" or (live := slot.live) is None:
                continue
            if not self._stays(live, left):
                return
            try:
                slot.fetch_base()
            except torch.cuda.OutOfMemoryError:  # others took it; sending it over works as before
                return

    def shortage(self, slots: Iterable[Slot]) -> dict[torch.device, int]:
        """The cards that are nearly full, with the bytes that the next picture lacks there."""
        if self.keep != "auto":
            return {}
        lacking = {}
        for device in {held.device for slot in slots if (held := slot.held) is not None}:
            free = self.free(device)
            if free is not None and free < LEAST_FREE_BYTES:
                lacking[device] = RESERVE_BYTES - free
        return lacking

    def release(
        self, slots: Iterable[Slot], wanted: int, device: torch.device | None = None
    ) -> int:
        """Bases of slots that are on go to main memory until so many bytes are free."""
        freed = 0
        for slot in slots:
            base = slot.base
            if freed >= wanted:
                break
            if slot.recipe is None or slot.away or base is None:
                continue
            if device is None or device == base.device:
                slot.send_base(self.memory.like(base))
                freed += base.nbytes
        return freed

    def _has_former(self, slot: Slot) -> bool:
        return self.keep != "device" and slot.former is not None

    def _stays(self, like: Tensor, left: dict[torch.device, int | None]) -> bool:
        """Whether another tensor like this one has room beside it; if so, it takes that room."""
        if self.keep != "auto":
            return self.keep == "device"
        device = like.device
        if device not in left:
            free = self.free(device)
            left[device] = None if free is None else free - RESERVE_BYTES
        room = left[device]
        if room is None:
            return True
        if like.nbytes > room:
            return False
        left[device] = room - like.nbytes
        return True


def _is_whole(base: Tensor) -> bool:
    """Whether the memory is this tensor's alone; a part of a larger piece could not be freed."""
    return base.untyped_storage().nbytes() == base.nbytes


def _shared(roots: Iterable[nn.Module]) -> frozenset[int]:
    """Addresses that more than one parameter has."""
    counts = Counter(
        address
        for address in {
            id(parameter): parameter.data_ptr()
            for root in roots for parameter in root.parameters()
        }.values()
    )
    return frozenset(address for address, count in counts.items() if count > 1)
