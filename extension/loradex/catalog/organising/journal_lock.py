"""A lock between threads and processes that the system takes back when its holder dies."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

log = logging.getLogger(__name__)

_PATIENCE = 20.0
_PAUSE = 0.05


class FileLock:
    """Held through an open file, which stays behind; without a path only between threads."""

    def __init__(self, path: Path | None, patience: float = _PATIENCE) -> None:
        self._path = path
        self._patience = patience
        self._own = threading.Lock()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Raises TimeoutError where another holder does not give it back in time."""
        ends = time.monotonic() + self._patience
        if not self._own.acquire(timeout=self._patience):
            raise TimeoutError(str(self._path))
        try:
            if self._path is None:
                yield
            else:
                with self._path.open("ab") as file:
                    _wait_for(file, ends)
                    try:
                        yield
                    finally:
                        _unlock(file)
        finally:
            self._own.release()


def _wait_for(file: IO[bytes], ends: float) -> None:
    while not _try_lock(file):
        if time.monotonic() > ends:
            raise TimeoutError(file.name)
        time.sleep(_PAUSE)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: IO[bytes]) -> bool:
        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:  # a network drive without locks: threads are still kept apart
            log.warning("No lock on %s: %s", file.name, error.strerror)
        return True

    def _unlock(file: IO[bytes]) -> None:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_UN)
