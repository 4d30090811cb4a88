"""Hashes of model files, computed from the bytes; what a header claims is never taken over."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from loradex.errors import CancelledError, FileError
from loradex.files.header import LENGTH_BYTES, MAX_HEADER_BYTES, unreadable

_CHUNK_BYTES = 1 << 20
_LORA_DIGITS = 12
_AUTOV2_DIGITS = 10


@dataclass(frozen=True)
class FileHashes:
    """SHA-256 of a whole file, and of the bytes after its safetensors header.

    `tensor_sha256` is empty where the file has no such header (pickles). It stays equal when
    only metadata is edited, so it is what identifies a network.
    """

    sha256: str
    tensor_sha256: str
    size: int

    @property
    def autov2(self) -> str:
        """The short hash that AUTOMATIC1111 shows for a checkpoint."""
        return self.sha256[:_AUTOV2_DIGITS]

    @property
    def autov3(self) -> str:
        """The short tensor hash that Civitai calls AutoV3; empty for pickles."""
        return self.tensor_sha256[:_LORA_DIGITS]

    @property
    def lora_hash(self) -> str:
        """What stands in an infotext's "Lora hashes": pickles are hashed whole there."""
        return (self.tensor_sha256 or self.sha256)[:_LORA_DIGITS]


def hash_file(path: Path, cancelled: Callable[[], bool] = lambda: False) -> FileHashes:
    """Both hashes in one pass over the file.

    Raises:
        FileError: the file cannot be read, or changes while it is read.
        CancelledError: `cancelled` returned true; it is asked once per MiB.
    """
    try:
        with path.open("rb", buffering=0) as file:
            before = os.fstat(file.fileno())
            hashes = _hash(file, path.name, cancelled)
            after = os.fstat(file.fileno())
    except OSError as error:
        raise unreadable(path, error) from error
    if hashes.size != before.st_size or stamp(before) != stamp(after):
        raise changed(path)
    return hashes


def stamp(stat: os.stat_result) -> tuple[int, int]:
    """What differs when a file was written to: its size and its time."""
    return stat.st_size, stat.st_mtime_ns


def changed(path: Path) -> FileError:
    """The error for a file that is being written while we read it."""
    return FileError(
        path.name, "the file changed while it was read", "", "Wait for it and try again.", "changed"
    )


def _hash(file: FileIO, name: str, cancelled: Callable[[], bool]) -> FileHashes:
    data_start = _data_start(file)
    whole, tensors = hashlib.sha256(), hashlib.sha256()
    buffer = memoryview(bytearray(_CHUNK_BYTES))
    position = 0
    while count := file.readinto(buffer):
        if cancelled():
            raise CancelledError(name, "hashing was stopped")
        whole.update(buffer[:count])
        if data_start:
            skip = min(max(data_start - position, 0), count)
            tensors.update(buffer[skip:count])
        position += count
    return FileHashes(whole.hexdigest(), tensors.hexdigest() if data_start else "", position)


def _data_start(file: FileIO) -> int:
    """Where the tensors begin, or 0 for a file without a safetensors frame."""
    head = file.read(LENGTH_BYTES + 1)
    length = int.from_bytes(head[:LENGTH_BYTES], "little")
    stop = LENGTH_BYTES + length
    fits = length <= MAX_HEADER_BYTES and stop <= os.fstat(file.fileno()).st_size
    file.seek(0)
    return stop if fits and head[LENGTH_BYTES:] in (b"{", b" ") else 0
