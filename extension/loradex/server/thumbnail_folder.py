"""A folder of thumbnails that never grows beyond a bound: the oldest go first."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from pathlib import Path

MOST_BYTES = 256 << 20
_AFTERWARDS = 0.75
"""How full it is left, so that not every new one looks through the folder."""


class ThumbnailFolder:
    """Safe for several threads; another program that uses the folder too is no problem."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._bytes: int | None = None

    def find(self, name: str) -> bytes | None:
        try:
            return self._path(name).read_bytes()
        except OSError:
            return None

    def keep(self, name: str, content: bytes) -> None:
        """Raises OSError where the folder cannot be written to."""
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / f"{secrets.token_hex(8)}.part"
        try:
            part.write_bytes(content)
            part.replace(self._path(name))
        finally:
            part.unlink(missing_ok=True)
        with self._lock:
            self._bytes = self._size() if self._bytes is None else self._bytes + len(content)
            if self._bytes > MOST_BYTES:
                self._bytes = self._trimmed()

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.webp"

    def _size(self) -> int:
        return sum(stat.st_size for _, stat in self._files())

    def _trimmed(self) -> int:
        files = sorted(self._files(), key=lambda one: one[1].st_mtime_ns)
        left = sum(stat.st_size for _, stat in files)
        for path, stat in files:
            if left <= MOST_BYTES * _AFTERWARDS:
                break
            with contextlib.suppress(OSError):  # Windows: somebody reads it now
                path.unlink(missing_ok=True)
                left -= stat.st_size
        return left

    def _files(self) -> list[tuple[Path, os.stat_result]]:
        with os.scandir(self._folder) as entries:
            return [(Path(entry.path), entry.stat()) for entry in entries if entry.is_file()]
