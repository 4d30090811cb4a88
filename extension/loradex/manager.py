"""The use cases that every host calls: find the networks of a prompt and put them on a model."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from loradex.catalog.folder_networks import FolderNetworks, NetworkSource
from loradex.catalog.network_file import NetworkFile
from loradex.errors import InputError, LoradexError, NetworkNotFoundError
from loradex.prompts.tags import LoraTag

if TYPE_CHECKING:  # torch is imported when the first network is loaded
    from loradex.networks.model import BoundModel
    from loradex.networks.network import Network
    from loradex.networks.patcher import Patcher
    from loradex.networks.report import Applied, RunReport

CACHE_BYTES = 2 << 30


@dataclass(frozen=True)
class _Use:
    """What became of one tag: its network and the seconds to load it, or why there is none."""

    tag: LoraTag
    network: Network | None
    seconds: float = 0.0
    error: LoradexError | None = None


class LoraManager:
    """Networks of some folders on one model at a time.

    `source` finds files by name, a catalog for one; without it the folders are looked through.
    """

    def __init__(
        self, roots: Sequence[Path] = (), cache_bytes: int = CACHE_BYTES,
        source: NetworkSource | None = None,
    ) -> None:
        self._source = source or FolderNetworks(roots)
        self._lock = threading.RLock()
        self._cache = _Cache(cache_bytes)
        self._patcher: Patcher | None = None

    def files(self) -> tuple[NetworkFile, ...]:
        """Every network file that a tag can name."""
        return self._source.files()

    def resolve(self, name: str) -> NetworkFile:
        """The file that a name means, as it is on disk now.

        Raises:
            NetworkNotFoundError: no file has that name; the folders were looked through again.
            AmbiguousNameError: several files have it.
        """
        return _as_on_disk(self._source.resolve(name))

    def load(self, file: NetworkFile) -> Network:
        """The network of a file; a file that was replaced in its place is read again."""
        with self._lock:
            return self._cache.get(file)

    def bind(self, model: BoundModel) -> None:
        """From now on networks go on this model; the one before gets its own weights back."""
        from loradex.networks.patcher import Patcher

        with self._lock:
            self._let_go()
            self._patcher = Patcher(model)

    def use(
        self, tags: Sequence[LoraTag], *, strict: bool = False, force: bool = False
    ) -> RunReport:
        """Puts exactly these networks on the model.

        A tag that cannot be used is skipped alone and says why in the report; with `strict` it
        raises. Whatever raises, the weights are the checkpoint's afterwards.
        """
        with self._lock:
            patcher = self._bound()
            try:
                uses = [self._find(tag, strict) for tag in tags]
                return _apply(patcher, uses, strict=strict, force=force)
            except BaseException:
                patcher.restore()
                raise

    def restore(self) -> None:
        """The checkpoint's own weights, bit for bit."""
        with self._lock:
            if self._patcher is not None:
                self._patcher.restore()

    def release(self) -> None:
        """Gives the model its own weights back and lets it go; loaded files are kept."""
        with self._lock:
            self._let_go()

    def forget(self) -> None:
        """Lets the model go as it is: its weights are being thrown away or replaced."""
        with self._lock:
            self._patcher = None

    def limit_cache(self, cache_bytes: int) -> None:
        """How much memory loaded networks may take that are not in use."""
        with self._lock:
            self._cache.set_limit(cache_bytes)

    def release_spare(self) -> int:
        """Gives back memory that only makes the next apply faster; returns the bytes."""
        with self._lock:
            return 0 if self._patcher is None else self._patcher.release_spare()

    def close(self) -> None:
        """Takes the networks off and forgets the model and the loaded files."""
        with self._lock:
            self._let_go()
            self._cache.clear()

    def _find(self, tag: LoraTag, strict: bool) -> _Use:
        begun = time.perf_counter()
        try:
            network = self.load(self.resolve(tag.name))
        except LoradexError as error:
            if strict:
                raise
            return _Use(tag, None, error=error)
        return _Use(tag, network, time.perf_counter() - begun)

    def _bound(self) -> Patcher:
        if self._patcher is None:
            raise InputError("networks", "no model is loaded", next_step="Load a checkpoint first.")
        return self._patcher

    def _let_go(self) -> None:
        if self._patcher is not None:
            self._patcher.restore()
            self._patcher = None


class _Cache:
    """Loaded networks, the least recently used given up first when they outgrow a limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: OrderedDict[tuple[Path, int, int], Network] = OrderedDict()

    def get(self, file: NetworkFile) -> Network:
        from loradex.networks.network import load_network

        key = (file.path, file.size, file.mtime_ns)
        network = self._held.get(key)
        if network is None:
            network = self._held[key] = load_network(file)
        self._held.move_to_end(key)
        self._shrink()
        return network

    def set_limit(self, limit: int) -> None:
        self._limit = limit
        self._shrink()

    def clear(self) -> None:
        self._held.clear()

    def _shrink(self) -> None:
        # the engine keeps fp32 factors beside a network's tensors, mostly fp16 in the file
        held = sum(3 * network.nbytes for network in self._held.values())
        while held > self._limit and len(self._held) > 1:
            _, network = self._held.popitem(last=False)
            held -= 3 * network.nbytes


def _as_on_disk(file: NetworkFile) -> NetworkFile:
    """With the size and time of this moment, so that a replaced file is loaded anew."""
    try:
        stat = file.path.stat()
    except FileNotFoundError:
        raise NetworkNotFoundError(file.name) from None
    return replace(file, size=stat.st_size, mtime_ns=stat.st_mtime_ns)


def _apply(
    patcher: Patcher, uses: Sequence[_Use], *, strict: bool, force: bool
) -> RunReport:
    from loradex.networks.patcher import StackEntry

    stack = [
        StackEntry(use.network, use.tag.te_strength, use.tag.unet_strength, use.tag.dyn_dim)
        for use in uses
        if use.network is not None
    ]
    report = patcher.apply(stack, strict=strict, force=force)
    loading = {use.network.id: use.seconds for use in uses if use.network is not None}
    rows = {
        (row.id, row.dyn_dim): replace(row, seconds=row.seconds + loading[row.id])
        for row in report.applied
    }
    return replace(
        report, applied=tuple(_in_order(uses, rows)),
        seconds=report.seconds + sum(use.seconds for use in uses),
    )


def _in_order(
    uses: Sequence[_Use], rows: Mapping[tuple[str, int | None], Applied]
) -> list[Applied]:
    """One row per tag in the prompt's order, by the name that the tag gives.

    Tags of one network share the row of their sum.
    """
    from loradex.networks.report import Applied

    found: dict[object, Applied] = {}
    for use in uses:
        tag = use.tag
        if use.network is None:
            reason = str(use.error)
            row = Applied("", tag.name, tag.te_strength, tag.unet_strength, skipped=reason)
            found.setdefault((tag.name, reason), row)
        else:
            key = (use.network.id, tag.dyn_dim)
            found.setdefault(key, replace(rows[key], name=tag.name))
    return list(found.values())
