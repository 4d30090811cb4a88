"""Everything that is known of one file, read from it now: what `inspect` shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from loradex.catalog.network_file import NetworkFile
from loradex.catalog.reading.inspect import Inspector
from loradex.catalog.reading.peek import Peeker
from loradex.catalog.records import Entry
from loradex.compat.checkpoint import CheckpointFacts
from loradex.compat.detect import decide
from loradex.compat.facts import Fact, facts_of
from loradex.compat.network import read_network
from loradex.compat.verdict import Verdict, verdict
from loradex.errors import LoradexError
from loradex.files.described import Described, describe_model_file
from loradex.files.faults import Fault
from loradex.files.header import LENGTH_BYTES, Header, TensorInfo
from loradex.files.leading import split_metadata
from loradex.files.pickle_header import read_model_header
from loradex.keys.parse import parse_file


@dataclass(frozen=True)
class Details:
    """One file with its metadata, its tensors and every field that anyone noted about it."""

    entry: Entry
    described: Described
    metadata: Mapping[str, str] = field(default_factory=dict)
    tensors: Mapping[str, TensorInfo] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    """Keys that no rule understands."""
    modules: tuple[Fact, ...] = ()


def details_of(entry: Entry) -> Details:
    """The details of a catalog's entry; a file that cannot be read has no metadata."""
    header = _header_or_none(entry)
    metadata = header.metadata if header else {}
    described = describe_model_file(entry.file.path, metadata, locks=_locks(entry))
    if header is None:
        return Details(entry, described)
    shapes = header.shapes
    parsed = parse_file(shapes, metadata)
    modules = facts_of(parsed, shapes)
    return Details(entry, described, metadata, header.tensors, parsed.unknown, modules)


def metadata_of(entry: Entry) -> Mapping[str, str]:
    """The metadata in a file's header, without reading the rest of the header; {} if broken."""
    try:
        seen = Peeker().peek(entry.file.path)
    except LoradexError:
        return {}
    length = int.from_bytes(seen.head[:LENGTH_BYTES], "little")
    try:
        found = split_metadata(seen.head[LENGTH_BYTES : LENGTH_BYTES + length])
    except Fault:
        return {}
    if found is not None:
        return found.metadata
    header = _header_or_none(entry)
    return header.metadata if header else {}


def inspect_file(file: NetworkFile, inspector: Inspector) -> Details:
    """The details of a file that is in no catalog."""
    found = inspector.inspect(file)
    return details_of(Entry(0, file, "present", found.facts, found.summary))


def judge(entry: Entry, checkpoint: CheckpointFacts, *, force: bool = False) -> Verdict:
    """Whether a file fits a checkpoint; its header is read now."""
    header = _header_or_none(entry)
    if header is None or entry.facts.status == "broken":
        fault = entry.facts.fault
        reason = fault.message if fault else f"{entry.file.name}: it cannot be read."
        return Verdict("broken", "high", (reason,), {})
    network = read_network(parse_file(header.shapes, header.metadata), header.shapes)
    detection = decide(
        network, header.metadata, user_family=entry.user.family, file_name=entry.file.id
    )
    return verdict(network, detection, checkpoint, force=force)


def _header_or_none(entry: Entry) -> Header | None:
    try:
        return read_model_header(entry.file.path)
    except LoradexError:
        return None  # the entry's fault says what is wrong


def _locks(entry: Entry) -> Mapping[str, object]:
    """What the user said wins over every tool's notes."""
    user = entry.user
    said = {"notes": user.notes, "rating": user.rating, "favourite": user.favourite or None}
    return {name: value for name, value in said.items() if value not in ("", None)}
