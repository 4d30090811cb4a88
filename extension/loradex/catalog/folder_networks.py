"""Networks of some folders by name, from a plain look at the folders: no index is kept."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from loradex.catalog.disk.scan import scan_networks
from loradex.catalog.names import NetworkIndex
from loradex.catalog.network_file import NetworkFile
from loradex.errors import NetworkNotFoundError


class NetworkSource(Protocol):
    """Where a name in a prompt becomes a file; a catalog is one too."""

    def files(self) -> tuple[NetworkFile, ...]: ...
    def resolve(self, name: str) -> NetworkFile: ...


class FolderNetworks:
    """Looks when it is first asked, and again for a name that it does not know."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self.roots = tuple(roots)
        self._lock = threading.RLock()
        self._index: NetworkIndex | None = None

    def files(self) -> tuple[NetworkFile, ...]:
        """Every network file below the roots, read anew."""
        with self._lock:
            found = scan_networks(self.roots)
            self._index = NetworkIndex(found, ", ".join(str(root) for root in self.roots))
            return found

    def resolve(self, name: str) -> NetworkFile:
        """The file that a name means.

        Raises:
            NetworkNotFoundError: no file has that name; the folders were looked through again.
            AmbiguousNameError: several files have it.
        """
        with self._lock:
            try:
                found = self._known().resolve(name)
                if found.path.exists():
                    return found
            except NetworkNotFoundError:
                pass
            self.files()
            return self._known().resolve(name)

    def _known(self) -> NetworkIndex:
        if self._index is None:
            self.files()
        assert self._index is not None
        return self._index
