"""Reads the little of a file that the catalog needs: its header and a few samples of its data."""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from loradex.files import foreign
from loradex.files.header import LENGTH_BYTES, MAX_HEADER_BYTES, unreadable

_SAMPLE_BYTES = 4096
_DIGITS = 32
_FIRST_BYTES = 1 << 16
"""Read at once: holds the header of a small network."""


@dataclass(frozen=True)
class Peek:
    """The beginning of a file and samples of the rest.

    `head` holds the whole header where the file has one; it lies in a buffer that the next look
    on the same thread uses again. The samples are the first and the last bytes of the tensors: the
    first differ between any two trainings, and a file that is still being written, or was cut,
    differs in the last.
    """

    buffer: bytearray
    """What `head` is the beginning of."""
    head: memoryview
    length: int
    samples: bytes

    def fingerprint(self, *head: bytes | memoryview) -> str:
        """A digest that recognises the file elsewhere; `head` may stand for the head's bytes.

        It is cheap enough for every file, and different for two files that are not made to
        deceive; the SHA-256 of all bytes comes later and has the last word.
        """
        parts = head or (self.head,)
        return digest(self.length.to_bytes(LENGTH_BYTES, "little"), self.samples, *parts)


class Peeker:
    """Looks at files, with one buffer per thread.

    A fresh buffer for each header of 100 to 500 KB would cost as much in page faults as reading.
    """

    def __init__(self) -> None:
        self._buffers = threading.local()

    def peek(self, path: Path) -> Peek:
        """Raises `FileError` where the file cannot be opened or read."""
        try:
            with path.open("rb", buffering=0) as file:
                length = os.fstat(file.fileno()).st_size
                if hasattr(os, "posix_fadvise"):
                    # else the kernel reads megabytes of the tensors ahead
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
                buffer, stop = self._head(file, length)
                samples = _samples(file, stop, length)
                return Peek(buffer, memoryview(buffer)[:stop], length, samples)
        except OSError as error:
            raise unreadable(path, error) from error

    def _head(self, file: FileIO, length: int) -> tuple[bytearray, int]:
        """The buffer, and where the head in it ends."""
        buffer = self._buffer(_FIRST_BYTES)
        got = _fill(file, buffer, 0, min(length, _FIRST_BYTES))
        header = int.from_bytes(buffer[:LENGTH_BYTES], "little")
        stop = LENGTH_BYTES + header
        if header > MAX_HEADER_BYTES or stop > length:
            return buffer, min(got, foreign.SNIFF_BYTES)
        if stop > got:
            buffer = self._buffer(stop)
            got = _fill(file, buffer, got, stop)
        return buffer, min(got, stop)

    def _buffer(self, size: int) -> bytearray:
        """At least that long; what the shorter one held is kept."""
        held: bytearray = getattr(self._buffers, "held", bytearray())
        if len(held) < size:
            held = held + bytearray(size - len(held))
            self._buffers.held = held
        return held


def _fill(file: FileIO, buffer: bytearray, start: int, stop: int) -> int:
    """Reads up to `stop` bytes; returns how many are there, fewer where the file ends."""
    view = memoryview(buffer)
    while start < stop:
        count = file.readinto(view[start:stop])
        if not count:
            break
        start += count
    return start


def digest(*parts: bytes | memoryview) -> str:
    """A short digest of some bytes, for keys of our own.

    SHA-256, because processors have it built in.
    """
    made = hashlib.sha256()
    for part in parts:
        made.update(part)
    return made.hexdigest()[:_DIGITS]


def _samples(file: FileIO, start: int, length: int) -> bytes:
    """The first and the last bytes behind the header; each more would be a seek of a disk."""
    file.seek(start)
    first = file.read(min(max(length - start, 0), _SAMPLE_BYTES))
    file.seek(max(start + len(first), length - _SAMPLE_BYTES))
    return first + file.read(_SAMPLE_BYTES)
