"""Loaded networks under a byte budget, and the record of all that the engine holds in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # torch is imported when the first network is loaded
    from loradex.networks.network import File, Network

_Key = tuple[Path, int, int]
"""Path, size and mtime_ns: a file that was replaced in its place is another one."""


@dataclass(frozen=True)
class EngineMemory:
    """What the engine holds beside the model's own weights, in bytes.

    `network_bytes` is at most `budget_bytes`, or `used_bytes` where those alone are more.
    """

    networks: int = 0
    network_bytes: int = 0
    """The tensors of all loaded files, with the factors made of them."""
    used: int = 0
    used_bytes: int = 0
    """The share of the networks that the last stack names; these are never given up."""
    factor_bytes: int = 0
    """The share of the fp32 factors, which lie on the model's device."""
    budget_bytes: int = 0
    live_bytes: int = 0
    """Weights with networks in them, beside the model's own."""
    spare_bytes: int = 0
    """Buffers that no applied network uses, kept for the next stack."""
    away_bytes: int = 0
    """The model's own values of weights with networks in them, where those wait in main memory."""
    device: str = ""
    """Where the model is; empty while there is none."""


@dataclass(eq=False)
class _Held:
    """One loaded network with what it takes."""

    network: Network
    file_bytes: int
    factor_bytes: int = 0

    @property
    def nbytes(self) -> int:
        return self.file_bytes + self.factor_bytes


@dataclass(eq=False)
class NetworkCache:
    """Loaded networks; those that no stack names go, the least recently used first.

    The budget bounds all of them together, file tensors and factors. Those that the last stack
    names stay even where they alone are more, and then nothing else does. Not safe for several
    threads by itself.
    """

    budget: int
    load: Callable[[File], Network]
    file_bytes: Callable[[Network], int]
    factor_bytes: Callable[[Network], int]
    """What the patcher keeps for a network at this moment."""
    _held: OrderedDict[_Key, _Held] = field(default_factory=OrderedDict)
    _used: frozenset[_Key] = frozenset()
    _wanted: set[_Key] | None = None
    """What the stack that is being put together names so far."""

    def get(self, file: File) -> Network:
        """The network of a file, read where it is not held."""
        key = (file.path, file.size, file.mtime_ns)
        if key not in self._held:
            self._drop_other_versions(key)
            self._shrink(file.size)  # room is made first, so that old and new are never both there
            network = self.load(file)
            self._held[key] = _Held(network, self.file_bytes(network))
        self._held.move_to_end(key)
        network = self._held[key].network
        if self._wanted is not None:
            self._wanted.add(key)
        else:
            self._shrink()
        return network

    @contextmanager
    def stack(self) -> Iterator[None]:
        """What is got inside is the new stack; nothing is in use where the block raises."""
        self._wanted = set()
        try:
            yield
            self._used = frozenset(self._wanted)
        except BaseException:
            self._used = frozenset()
            raise
        finally:
            self._wanted = None
            self.recount(self._used)

    def unused(self) -> None:
        """No network is in use any more."""
        self._used = frozenset()
        self.recount()

    def resize(self, budget: int) -> None:
        self.budget = max(budget, 0)
        self.recount()

    def recount(self, keys: frozenset[_Key] | None = None) -> None:
        """Asks again what factors are kept, of all networks or some, and gives up what is over.

        Only applying a network makes factors, so counts of the others can be too high at most.
        """
        for key in list(self._held if keys is None else keys):
            held = self._held.get(key)
            if held is not None:
                held.factor_bytes = self.factor_bytes(held.network)
        self._shrink(sure=keys is None)

    def release(self) -> int:
        """Gives up all that is not in use; returns the bytes."""
        self.recount()
        before = self.nbytes
        for key in [key for key in self._held if key not in self._used]:
            del self._held[key]
        return before - self.nbytes

    def clear(self) -> None:
        self._held.clear()
        self._used = frozenset()

    @property
    def nbytes(self) -> int:
        return sum(held.nbytes for held in self._held.values())

    def memory(self) -> EngineMemory:
        """The cache's share of the record, counted anew."""
        self.recount()
        used = [self._held[key] for key in self._used if key in self._held]
        return EngineMemory(
            networks=len(self._held), network_bytes=self.nbytes,
            used=len(used), used_bytes=sum(held.nbytes for held in used),
            factor_bytes=sum(held.factor_bytes for held in self._held.values()),
            budget_bytes=self.budget,
        )

    def _shrink(self, room: int = 0, *, sure: bool = False) -> None:
        """Until all and `room` bytes fit into the budget, or only those in use are left."""
        total = self.nbytes + room
        if total <= self.budget:
            return
        if not sure:
            for held in self._held.values():
                held.factor_bytes = self.factor_bytes(held.network)
            total = self.nbytes + room
        kept = self._used | (self._wanted or set())
        for key in [key for key in self._held if key not in kept]:
            if total <= self.budget:
                return
            total -= self._held.pop(key).nbytes

    def _drop_other_versions(self, key: _Key) -> None:
        for other in [one for one in self._held if one[0] == key[0]]:
            del self._held[other]
