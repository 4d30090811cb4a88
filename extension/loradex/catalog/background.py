"""What runs beside a catalog while it is started: looking, watching, hashing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Protocol

from loradex.catalog.disk.watch import Watcher, WatchStatus
from loradex.catalog.index.hashing import Hasher
from loradex.catalog.worker import Worker


class Refresh(Protocol):
    """Makes the list true, of everything or of some paths."""

    def __call__(
        self, paths: Collection[Path] | None = None, *, cancelled: Callable[[], bool] = ...
    ) -> Any: ...


class Background:
    """Looks through everything once, then wherever the watcher points; hashes when that is done.

    The watcher is there before the first look, so that nothing falls between the two. All looks
    run on one thread, one after the other.
    """

    def __init__(
        self, roots: Sequence[Path], refresh: Refresh, hasher: Hasher, *, watch: bool, hashing: bool
    ) -> None:
        self._roots = tuple(roots)
        self._refresh = refresh
        self._hasher = hasher
        self._hashing = hashing
        self._worker = Worker("loradex-catalog")
        self._watcher = Watcher(roots, self._look) if watch else None
        if self._watcher is not None:
            self._watcher.start()
        self._worker.do(self._look_at_all)

    def stop(self) -> None:
        """Ends all of it; a look that is under way keeps what it found."""
        if self._watcher is not None:
            self._watcher.stop()
        self._worker.stop()
        self._hasher.stop()

    def watch_status(self) -> WatchStatus:
        if self._watcher is None:
            return WatchStatus("off", "it was not asked for", self._roots)
        return self._watcher.status()

    def look_everywhere(self) -> None:
        """Compares everything again, in the background."""
        self._worker.do(self._look_at_all)

    def _look_at_all(self) -> None:
        self._refresh(cancelled=self._worker.stopping.is_set)
        if self._hashing and not self._worker.stopping.is_set():
            self._hasher.start()
            self._hasher.wake()

    def _look(self, paths: Collection[Path]) -> None:
        self._worker.do(lambda: self._look_at(paths))

    def _look_at(self, paths: Collection[Path]) -> None:
        if self._refresh(paths, cancelled=self._worker.stopping.is_set) and self._hashing:
            self._hasher.wake()
