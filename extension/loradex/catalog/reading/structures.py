"""What names and shapes say of a file, worked out once for all files that share them.

A library of thousands has few different structures: trainer, modules and rank decide them. So most
files cost a read and a comparison instead of parsing and detection.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from loradex.catalog.reading.peek import Peek, digest
from loradex.catalog.reading.sight import Part, Sight
from loradex.compat.network import NetworkFacts, read_network
from loradex.errors import HeaderError
from loradex.files.faults import Fault
from loradex.files.header import LENGTH_BYTES, Header, parse_header
from loradex.files.leading import Leading, split_metadata
from loradex.keys.parse import parse_file

_KEPT = 4096


@dataclass(frozen=True)
class Structure:
    """What the names and shapes of a file say."""

    digest: str
    network: NetworkFacts
    """Without the tables of keys: kept for thousands of structures."""
    not_a_lora: str
    embeddings: tuple[str, ...]
    layouts: Mapping[str, int]
    unusable: str
    """Why no module of the network can be used, or ''."""


@dataclass(frozen=True)
class Reading:
    """One file's metadata, its structure, and the digest that recognises it."""

    metadata: Mapping[str, str]
    structure: Structure
    fingerprint: str


class Structures:
    """The structures seen so far, the least recently seen given up first; for several threads."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Structure] = OrderedDict()
        self._turns: dict[str, threading.Lock] = {}
        self._sight: Sight[Structure] = Sight()
        self.worked_out = 0
        """How often one had to be worked out; a count for tests and benchmarks."""

    def read(self, seen: Peek, name: str) -> Reading:
        """What a safetensors file says.

        Raises:
            HeaderError: the header is malformed; `code` names the fault.
        """
        raw = _raw_header(seen)
        split = _split(raw, name)
        if split is None:
            header = parse_header(bytes(seen.head), seen.length, name)
            fingerprint = seen.fingerprint()
            return Reading(header.metadata, self.work_out(fingerprint, header), fingerprint)
        data_length = seen.length - LENGTH_BYTES - len(raw)
        start, stop = LENGTH_BYTES + split.start, LENGTH_BYTES + split.stop
        part = Part(seen.buffer, start, stop, data_length)
        structure = self._sight.recognise(part)
        if structure is None:
            key = digest(data_length.to_bytes(LENGTH_BYTES, "little"), seen.head[start:stop])
            structure = self._get(key, seen, name)
            if structure.digest in self._known:
                self._sight.remember(part, structure)
        fingerprint = seen.fingerprint(raw[: split.start], structure.digest.encode())
        return Reading(split.metadata, structure, fingerprint)

    def work_out(self, key: str, header: Header) -> Structure:
        """The structure of a header that was read in full."""
        parsed = parse_file(header.shapes, header.metadata)
        network = read_network(parsed, header.shapes)
        with self._lock:
            self.worked_out += 1
        return Structure(
            key, network.light(), network.foreign, tuple(parsed.embeddings), parsed.layouts,
            _unusable(network),
        )

    def _get(self, key: str, seen: Peek, name: str) -> Structure:
        with self._one_at_a_time(key):
            with self._lock:
                known = self._known.get(key)
                if known is not None:
                    self._known.move_to_end(key)
                    return known
            header = parse_header(bytes(seen.head), seen.length, name)
            structure = self.work_out(key, header)
            if not _depends_on_metadata(header):
                self._keep(structure)
            return structure

    @contextmanager
    def _one_at_a_time(self, key: str) -> Iterator[None]:
        """Threads that meet the same new structure wait for the first of them."""
        with self._lock:
            turn = None if key in self._known else self._turns.setdefault(key, threading.Lock())
        if turn is None:
            yield
            return
        try:
            with turn:
                yield
        finally:
            with self._lock:
                self._turns.pop(key, None)

    def _keep(self, structure: Structure) -> None:
        with self._lock:
            self._known[structure.digest] = structure
            while len(self._known) > self._kept:
                self._known.popitem(last=False)


def _raw_header(seen: Peek) -> memoryview:
    """The header's JSON, or nothing where the file has no frame."""
    stop = LENGTH_BYTES + int.from_bytes(seen.head[:LENGTH_BYTES], "little")
    return seen.head[LENGTH_BYTES:stop] if stop == len(seen.head) else seen.head[:0]


def _split(raw: memoryview, name: str) -> Leading | None:
    """The two halves of a header, or None where it has to be read in one."""
    try:
        return split_metadata(raw)
    except Fault as fault:
        raise HeaderError(
            name, fault.found, fault.expected, fault.next_step, fault.code
        ) from None


def _depends_on_metadata(header: Header) -> bool:
    """Whether the names mean something only together with the metadata (the oldest layout)."""
    return any(name.startswith(("unet:", "text_encoder:", "te:")) for name in header.tensors)


def _unusable(network: NetworkFacts) -> str:
    modules = len(network.facts)
    if not modules or len(network.problems) < modules:
        return ""
    return next(iter(network.problems.values()))
