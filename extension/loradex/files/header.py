"""Reads the header of a safetensors file: names, types, shapes, offsets and metadata.

The frame: 8 bytes little-endian length N, N bytes of JSON, then the data of all tensors without
gaps. Nothing but the header is read, no handle stays open and nothing is mapped into memory.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from loradex.errors import FileError, HeaderError, IncompleteFileError
from loradex.files import entries, foreign
from loradex.files.faults import AGAIN, Fault

MAX_HEADER_BYTES = 100_000_000
"""The limit of the safetensors library itself (safetensors/src/tensor.rs, MAX_HEADER_SIZE)."""

LENGTH_BYTES = 8

_INCOMPLETE = ("truncated", "header-cut")

DTYPE_BITS: Mapping[str, int] = MappingProxyType(entries.DTYPE_BITS)
"""Bits of one element by dtype name; the list that safetensors 0.8 accepts."""


@dataclass(frozen=True)
class TensorInfo:
    """One tensor of a file; `start` and `stop` count from the beginning of the data."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int

    @property
    def size_bytes(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Header:
    """All that a file says of itself before its first tensor."""

    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, str]
    data_start: int
    file_length: int

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape by tensor name, as the key parser takes it."""
        return {name: info.shape for name, info in self.tensors.items()}


def read_header(path: Path) -> Header:
    """The header of a safetensors file.

    Raises:
        HeaderError: the file is malformed, or is something else; `code` names the fault.
        IncompleteFileError: the file is shorter than its header says.
        FileError: the file cannot be opened or read (`code` is "unreadable").
    """
    try:
        with path.open("rb") as file:
            head, file_length = read_head(file)
    except OSError as error:
        raise unreadable(path, error) from error
    return parse_header(head, file_length, path.name)


def unreadable(path: Path, error: OSError) -> FileError:
    """The error for a file that the system does not let us read."""
    reason = (error.strerror or type(error).__name__).lower()
    return FileError(path.name, f"cannot be read ({reason})", code="unreadable")


def parse_header(
    head: bytes, file_length: int, subject: str, *, surplus: bool = False
) -> Header:
    """The header in `head`, the first bytes of a file that is `file_length` bytes long.

    `head` needs the whole header, or at least `foreign.SNIFF_BYTES` of a file that has none.
    `surplus` lets bytes after the last tensor pass, to tell what a file with that fault holds.
    """
    try:
        stop = _header_stop(head, file_length)
        return _build(head[LENGTH_BYTES:stop], stop, file_length, surplus)
    except Fault as fault:
        kind = IncompleteFileError if fault.code in _INCOMPLETE else HeaderError
        raise kind(subject, fault.found, fault.expected, fault.next_step, fault.code) from None


def read_head(file: BinaryIO) -> tuple[bytes, int]:
    """What `parse_header` needs of an open file, from its beginning, and the file's length."""
    file_length = os.fstat(file.fileno()).st_size
    head = file.read(foreign.SNIFF_BYTES)
    length = int.from_bytes(head[:LENGTH_BYTES], "little")
    missing = LENGTH_BYTES + length - len(head)
    if missing > 0 and length <= MAX_HEADER_BYTES and LENGTH_BYTES + length <= file_length:
        head += file.read(missing)
    return head, file_length


def _header_stop(head: bytes, file_length: int) -> int:
    """Where the header ends and the data begins; the frame is checked here."""
    if file_length == 0:
        raise Fault("empty", "the file is empty", "a safetensors file", AGAIN)
    length = int.from_bytes(head[:LENGTH_BYTES], "little")
    stop = LENGTH_BYTES + length
    if file_length >= LENGTH_BYTES and 0 < length <= MAX_HEADER_BYTES and stop <= file_length:
        if len(head) < stop:
            raise Fault("header-cut", "the header was cut while it was read", "", "Try again.")
        return stop
    what = foreign.recognise(head)
    if what is not None:
        raise Fault(what.code, f"it is {what.what}", "a safetensors file", what.next_step)
    raise _frame_fault(length, file_length)


def _frame_fault(length: int, file_length: int) -> Fault:
    if file_length < LENGTH_BYTES:
        found = f"the file has only {file_length} bytes"
        return Fault("too-short", found, "at least 8", AGAIN)
    if length == 0:
        return Fault("empty-header", "the header has no bytes", "JSON", AGAIN)
    if length > MAX_HEADER_BYTES:
        found = f"no safetensors file, or a damaged one: its header would have {length:,} bytes"
        return Fault("header-too-long", found, f"at most {MAX_HEADER_BYTES:,}", AGAIN)
    found = f"the file is cut inside its header: it has {file_length:,} bytes"
    return Fault("header-cut", found, f"at least {LENGTH_BYTES + length:,}")


def _build(raw: bytes, data_start: int, file_length: int, surplus: bool) -> Header:
    document = entries.read_document(raw)
    metadata = entries.read_metadata(document.pop("__metadata__", None))
    tensors = {
        name: TensorInfo(name, *entries.read_entry(name, entry))
        for name, entry in document.items()
    }
    _check_layout(tensors, data_start, file_length, surplus)
    return Header(tensors, metadata, data_start, file_length)


def _check_layout(
    tensors: Mapping[str, TensorInfo], data_start: int, file_length: int, surplus: bool
) -> None:
    """Tensors lie one after the other and fill the rest of the file, nothing more."""
    reached, before = 0, ""
    for info in sorted(tensors.values(), key=lambda info: (info.start, info.stop)):
        if info.start != reached:
            code, verb = ("overlap", "overlap") if info.start < reached else ("gap", "leave a gap")
            neighbours = f"'{before}' and '{info.name}'" if before else f"'{info.name}'"
            found = f"the data of {neighbours} {verb} at byte {info.start:,}"
            raise Fault(code, found, f"byte {reached:,}")
        reached, before = info.stop, info.name
    end = data_start + reached
    if end > file_length:
        found = f"the file is cut: it has {file_length - data_start:,} bytes of tensor data"
        raise Fault("truncated", found, f"{reached:,}")
    if end < file_length and not surplus:
        raise _surplus(file_length - end, end, bool(tensors))


def _surplus(count: int, end: int, whole: bool) -> Fault:
    """The fault of a file that is longer than its header says."""
    if not whole:
        return Fault("trailing-bytes", f"{count:,} bytes belong to no tensor", "none", AGAIN)
    return Fault(
        "trailing-bytes",
        f"all tensors are whole, but {count:,} more bytes follow the last one",
        f"a file of {end:,} bytes",
        f"Cut it to {end:,} bytes, or download it again: most tools refuse it as it is.",
    )
