"""The catalogs that a session has open: one for each set of LoRA folders."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from loradex.catalog.catalog import Catalog

from standalone.folders import catalog_home


class Catalogs:
    """Opens catalogs when they are first asked for and keeps them until `close`.

    The demo's checkpoint has a folder of its own LoRAs, so a session has at most a few.
    """

    def __init__(self, home: Path | None, *, live: bool) -> None:
        self._home = home
        self._live = live
        self._lock = threading.Lock()
        self._open: dict[tuple[Path, ...], Catalog] = {}

    def of(self, roots: Sequence[Path]) -> Catalog:
        """The catalog of these folders, true at the moment in which it is opened."""
        key = tuple(root.absolute() for root in roots)
        with self._lock:
            found = self._open.get(key)
            if found is None:
                found = self._open[key] = Catalog(key, catalog_home(key, self._home))
                found.refresh()
                if self._live:
                    found.start()
            return found

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Holds the background work: a generation needs the disk and the cores."""
        with self._lock:
            hashers = [catalog.hasher for catalog in self._open.values()]
        for hasher in hashers:
            hasher.pause()
        try:
            yield
        finally:
            for hasher in hashers:
                hasher.resume()

    def close(self) -> None:
        with self._lock:
            closing, self._open = list(self._open.values()), {}
        for catalog in closing:
            catalog.close()
