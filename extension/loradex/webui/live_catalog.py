"""The catalog of the WebUI's folders, opened in the background so that no start waits for it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from loradex.catalog.network_file import NetworkFile
from loradex.errors import InputError, LoradexError

if TYPE_CHECKING:
    from loradex.catalog.catalog import Catalog

Places = Callable[[], tuple[tuple[Path, ...], Path]]
"""The folders to list and the folder of the index."""


class LiveCatalog:
    """A catalog that opens itself on a thread of its own; whoever asks for it waits until it is.

    It is also the `NetworkSource` of the engine.
    """

    def __init__(self, places: Places, *, watch: bool) -> None:
        self._places = places
        self._watch = watch
        self._open: Catalog | None = None
        self._error: Exception | None = None
        self._ready = threading.Event()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._begin, name="loradex-open", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Ends all threads; a catalog that is still being opened is closed when it is."""
        with self._lock:
            self._closed = True
        if self._thread.ident is not None:
            self._thread.join()
        catalog, self._open = self._open, None
        if catalog is not None:
            catalog.close()

    def get(self) -> Catalog:
        """The catalog.

        Raises:
            InputError: it could not be opened, or was closed.
        """
        self._ready.wait()
        catalog = self._open
        if catalog is None:
            reason = str(self._error or "it is closed, or the console says what went wrong")
            raise InputError("the LoRA catalog", reason, next_step="Restart the WebUI.")
        return catalog

    @property
    def opened(self) -> Catalog | None:
        """The catalog if it is open by now."""
        return self._open

    def files(self) -> tuple[NetworkFile, ...]:
        return self.get().files()

    def resolve(self, name: str) -> NetworkFile:
        return self.get().resolve(name)

    def _begin(self) -> None:
        try:
            self._begin_catalog()
        except (LoradexError, OSError, sqlite3.Error) as error:
            self._error = error  # whoever asks is told; anything else shows in the console
        finally:
            self._ready.set()

    def _begin_catalog(self) -> None:
        from loradex.catalog.catalog import Catalog

        roots, home = self._places()
        catalog = Catalog(roots, home)
        with self._lock:
            if not self._closed:
                catalog.start(watch=self._watch)
            self._open = catalog
