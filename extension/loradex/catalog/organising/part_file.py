"""A file that comes in pieces: hidden from every list until all of it is there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from loradex.catalog.organising.operations import reason
from loradex.errors import FileError


class PartFile:
    """One on its way; `close` removes what was not moved elsewhere.

    `inspect` sees each piece before it is written and refuses by raising. Errors call the file
    `name` and speak of the place `target`, not of the hidden file.
    """

    def __init__(
        self, path: Path, size: int, inspect: Callable[[bytes], None], *, name: str, target: Path
    ) -> None:
        self.path, self.size, self.written = path, size, 0
        self._inspect, self._name, self._target = inspect, name, target
        self._file: BinaryIO | None = None

    def write(self, piece: bytes) -> None:
        """Takes the next bytes. Raises FileError for too many of them or a full drive."""
        self.written += len(piece)
        if self.written > self.size:
            raise FileError(self._name, "more bytes came than were announced", f"{self.size:,}",
                            "Try again.", "size")
        self._inspect(piece)
        try:
            if self._file is None:
                self._file = self.path.open("xb")
            self._file.write(piece)
        except OSError as error:
            raise self._failed(error) from error

    def finish(self) -> None:
        """Ends the file: a power cut leaves it whole. Raises FileError where bytes are missing."""
        if self.written != self.size or self._file is None:
            raise FileError(self._name, f"only {self.written:,} of {self.size:,} bytes came", "",
                            "Try again.", "size")
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._close_file()
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        self._close_file()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _failed(self, error: OSError) -> FileError:
        return FileError(self._name, reason(error, self._target), code="no-space")
