"""Tells where below some folders something changed, by events or by looking, and says which."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from loradex.catalog.disk.settle import Settler
from loradex.catalog.disk.watch_loop import OnPaths, Timing, WatchLoop, WatchStatus

__all__ = ["Timing", "WatchStatus", "Watcher"]


class Watcher:
    """Watches some roots on a thread of its own, from `start` to `stop`.

    `on_paths` is called on that thread with files that have come to rest, and with folders of
    which only `reconcile` can tell what changed: all roots as soon as they are watched, when one
    goes away or comes back, after more events than the system keeps, and every few minutes in
    any case. Events say where to look and nothing else; real paths behind links may be told.
    """

    def __init__(
        self,
        roots: Sequence[Path],
        on_paths: OnPaths,
        *,
        timing: Timing | None = None,
        polling: str = "",
        settler: Settler | None = None,
    ) -> None:
        """`polling` is a reason to look instead of listening to events (a user's setting)."""
        self._roots = tuple(roots)
        self._on_paths = on_paths
        self._timing = timing or Timing()
        self._polling = polling
        self._settler = settler
        self._lock = threading.Lock()
        self._running: tuple[WatchLoop, threading.Thread] | None = None

    def start(self) -> None:
        """Begins, and returns at once; a second start does nothing."""
        with self._lock:
            if self._running is not None and self._running[1].is_alive():
                return
            loop = WatchLoop(
                self._roots, self._on_paths, self._timing, self._polling,
                self._settler or Settler(),
            )
            thread = threading.Thread(target=loop.run, name="loradex-watch", daemon=True)
            self._running = loop, thread
            thread.start()

    def stop(self) -> None:
        """Ends the thread and all watches and waits for them; a running `on_paths` ends first."""
        with self._lock:
            running, self._running = self._running, None
        if running is not None:
            loop, thread = running
            loop.end()
            if thread is not threading.current_thread():
                thread.join()

    def status(self) -> WatchStatus:
        """How changes are noticed now, and why so."""
        running = self._running
        if running is None:
            return WatchStatus("off", "It was not started.", self._roots)
        return running[0].status
