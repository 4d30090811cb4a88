"""The use cases that every host calls: find the networks of a prompt and put them on a model."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from loradex.catalog.folder_networks import FolderNetworks, NetworkSource
from loradex.catalog.network_file import NetworkFile
from loradex.errors import InputError, LoradexError, NetworkNotFoundError, PatchError
from loradex.networks.cache import EngineMemory, NetworkCache
from loradex.prompts.curves import Moment
from loradex.prompts.presets import BUILT_IN, Presets
from loradex.prompts.tags import LoraTag

if TYPE_CHECKING:  # torch is imported when the first network is loaded
    from loradex.networks.each_run import EachRun
    from loradex.networks.model import BoundModel
    from loradex.networks.network import File, Network
    from loradex.networks.patcher import Patcher
    from loradex.networks.report import RunReport
    from loradex.networks.residency import BaseMemory
    from loradex.networks.uses import Run, Use

CACHE_BYTES = 2 << 30
_PATIENCE_S = 0.25
"""How long a question about the memory waits for networks that are being put on."""


class LoraManager:
    """Networks of some folders on one model at a time.

    `source` finds files by name, a catalog for one; without it the folders are looked through.
    `presets` gives the block weights that tags may name, asked when a tag names one.
    `base_memory` tells where the checkpoint's values stay while networks are on: `auto`, `device`
    or `host`, as `networks/residency.py` has it. `failed` is told when networks that waited for
    their weights could not be written and all weights were restored; else the model's call raises.
    """

    def __init__(
        self, roots: Sequence[Path] = (), cache_bytes: int = CACHE_BYTES,
        source: NetworkSource | None = None, presets: Callable[[], Presets] = lambda: BUILT_IN,
        base_memory: BaseMemory = "auto", failed: Callable[[PatchError], None] | None = None,
    ) -> None:
        self._source = source or FolderNetworks(roots)
        self._lock = threading.RLock()
        self._cache = NetworkCache(max(cache_bytes, 0), _load, _file_bytes, self._factor_bytes)
        self._memory = self._cache.memory()
        self._patcher: Patcher | None = None
        self._presets = presets
        self._base_memory: BaseMemory = base_memory
        self._failed = failed
        self._moving: Run | EachRun | None = None

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
        from loradex.networks.residency import Residency

        with self._lock:
            self._let_go()
            self._patcher = Patcher(model, Residency(self._base_memory))
            self._patcher.failed = self._failed

    def use(
        self, tags: Sequence[LoraTag], *, strict: bool = False, force: bool = False,
        hires: bool = False,
    ) -> RunReport:
        """Puts exactly these networks on the model, as a pass begins.

        A tag that cannot be used is skipped alone and says why in the report; with `strict` it
        raises. Whatever raises, the weights are the checkpoint's afterwards. `hires` is for the
        second pass of hires fix, for which tags may have other strengths.
        """
        from loradex.networks.uses import Run

        with self._lock, self._cache.stack():
            patcher, self._moving = self._bound(), None
            try:
                run = Run(patcher, [self._find(tag, strict) for tag in tags], strict, force, hires)
                report = run.begin()
            except BaseException:
                patcher.restore()
                raise
            self._moving = run if run.moves else None
            return report

    def use_each(
        self, images: Sequence[Sequence[LoraTag]], *, strict: bool = False, hires: bool = False
    ) -> EachRun:
        """Begins a run of one batch in which every image has the networks of its own tags.

        Tags are skipped or raise as in `use`. Whoever asked ends the run with `restore`.
        """
        from loradex.networks.each_run import EachRun

        with self._lock, self._cache.stack():
            patcher, self._moving = self._bound(), None
            try:
                found = [[self._find(tag, strict) for tag in tags] for tags in images]
                run = EachRun(patcher, found, strict, hires)
                run.begin()
            except BaseException:
                patcher.restore()
                raise
            self._moving = run if run.moves else None
            return run

    @property
    def moves(self) -> bool:
        """Whether the networks that are on change during the run."""
        return self._moving is not None

    def step(self, index: int, total: int, *, hires: bool = False) -> None:
        """Makes the denoiser's weights those of a step, from 0, of so many; text encoders stay.

        Raises:
            PatchError: writing failed, and every weight is the checkpoint's for the rest of the
                run.
        """
        if not self.moves:
            return
        with self._lock:
            run = self._moving
            if run is None:
                return
            try:
                run.step(Moment(index, total), hires)
            except BaseException:
                self._moving = None
                run.patcher.restore()
                raise

    def restore(self) -> None:
        """The checkpoint's own weights, bit for bit."""
        with self._lock:
            self._moving = None
            if self._patcher is not None:
                self._patcher.restore()
            self._cache.unused()

    def release(self) -> None:
        """Gives the model its own weights back and lets it go; loaded files are kept."""
        with self._lock:
            self._let_go()

    def forget(self) -> None:
        """Lets the model go as it is: its weights are being thrown away or replaced."""
        with self._lock:
            self._patcher = self._moving = None
            self._cache.unused()

    def limit_cache(self, cache_bytes: int) -> None:
        """How much memory loaded networks may take; those in use are kept whatever they take."""
        with self._lock:
            self._cache.resize(cache_bytes)

    def keep_base_in(self, memory: BaseMemory) -> None:
        """Where the checkpoint's values of changed weights stay, from the next write on."""
        with self._lock:
            self._base_memory = memory
            if self._patcher is not None:
                self._patcher.residency.keep = memory

    def memory(self) -> EngineMemory:
        """What is held in memory; while networks are put on, what it was the last time."""
        if self._lock.acquire(timeout=_PATIENCE_S):
            try:
                self._memory = self._counted()
            finally:
                self._lock.release()
        return self._memory

    def release_unused(self) -> int:
        """Gives back all memory that only makes later runs faster; returns the bytes."""
        from loradex.networks.holdings import hand_back

        with self._lock:
            freed = self._cache.release() + self.release_spare()
            hand_back()
            return freed

    def release_spare(self) -> int:
        """Gives back memory that only makes the next apply faster; returns the bytes."""
        with self._lock:
            return 0 if self._patcher is None else self._patcher.release_spare()

    def close(self) -> None:
        """Takes the networks off and forgets the model and the loaded files."""
        with self._lock:
            self._let_go()
            self._cache.clear()

    def _counted(self) -> EngineMemory:
        held = self._cache.memory()
        if self._patcher is None:
            return held
        from loradex.networks.holdings import device_of

        live, spare, away = self._patcher.buffer_bytes()
        where = device_of(self._patcher.model)
        return replace(held, live_bytes=live, spare_bytes=spare, away_bytes=away, device=where)

    def _factor_bytes(self, network: Network) -> int:
        return 0 if self._patcher is None else self._patcher.factor_bytes(network)

    def _find(self, tag: LoraTag, strict: bool) -> Use:
        from loradex.networks.uses import Use, made_use

        begun = time.perf_counter()
        try:
            network = self.load(self.resolve(tag.name))
            presets = self._presets() if tag.lbw or tag.lbwe else BUILT_IN
            return made_use(tag, network, time.perf_counter() - begun, presets, self._bound())
        except LoradexError as error:
            if strict:
                raise
            return Use(tag, None, reason=str(error))

    def _bound(self) -> Patcher:
        if self._patcher is None:
            raise InputError("networks", "no model is loaded", next_step="Load a checkpoint first.")
        return self._patcher

    def _let_go(self) -> None:
        self._moving = None
        if self._patcher is not None:
            self._patcher.restore()
            self._patcher = None
        self._cache.unused()


def _load(file: File) -> Network:
    from loradex.networks.network import load_network

    return load_network(file)


def _file_bytes(network: Network) -> int:
    from loradex.networks.holdings import network_bytes

    return network_bytes(network)


def _as_on_disk(file: NetworkFile) -> NetworkFile:
    """With the size and time of this moment, so that a replaced file is loaded anew."""
    try:
        stat = file.path.stat()
    except FileNotFoundError:
        raise NetworkNotFoundError(file.name) from None
    return replace(file, size=stat.st_size, mtime_ns=stat.st_mtime_ns)
