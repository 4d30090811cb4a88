"""What is wrong with files, in words: header faults, damaged notes, duplicates, sick tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from loradex.catalog.network_file import NetworkFile
from loradex.catalog.organising.duplicates import duplicate_notes, find_duplicates
from loradex.catalog.reading.inspect import Inspector, note_of
from loradex.catalog.records import Entry, FaultNote
from loradex.errors import LoradexError
from loradex.files.deep import deep_check
from loradex.files.faults import FAULTS
from loradex.files.hashes import hash_file


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and what can be done about it."""

    code: str
    message: str
    next_step: str = ""


def examine(
    entries: Sequence[Entry], *, deep: bool = False, hashing: bool = True
) -> Iterator[tuple[Entry, tuple[Finding, ...]]]:
    """Every entry with its findings, the worst first; with `deep` every tensor is read.

    Without `hashing` only files whose hashes are known already can be told to be there twice.
    """
    doubles = duplicate_notes(_with_suspects_hashed(entries) if hashing else entries)
    for entry in entries:
        yield entry, _findings(entry, doubles, deep=deep)


def examine_file(
    file: NetworkFile, inspector: Inspector, *, deep: bool = False
) -> tuple[Finding, ...]:
    """The findings of a file that is in no catalog."""
    found = inspector.inspect(file)
    return _findings(Entry(0, file, "present", found.facts, found.summary), {}, deep=deep)


def _with_suspects_hashed(entries: Sequence[Entry]) -> Iterator[Entry]:
    """The entries, those that look alike with their hashes: only these say that files are one.

    Nothing else is read, since files of another size or with other samples differ anyway.
    """
    groups = find_duplicates(entries)
    suspects = {one.key for group in groups if group.kind == "candidates" for one in group.entries}
    for entry in entries:
        yield _hashed(entry) if entry.key in suspects and not entry.sha256 else entry


def _hashed(entry: Entry) -> Entry:
    try:
        found = hash_file(entry.file.path)
    except LoradexError:
        return entry  # it changes or cannot be read, which is told elsewhere
    return replace(entry, sha256=found.sha256, tensor_sha256=found.tensor_sha256)


def _findings(
    entry: Entry, doubles: Mapping[int, FaultNote], *, deep: bool
) -> tuple[Finding, ...]:
    facts = entry.facts
    found = [] if facts.fault is None else [_finding(facts.fault)]
    if deep and facts.fault is None:
        found.extend(_deep(entry))
    if entry.key in doubles:
        found.append(_finding(doubles[entry.key]))
    found.extend(
        Finding("broken-sidecar", problem, FAULTS["broken-sidecar"].next_step)
        for problem in entry.summary.problems
    )
    return tuple(found)


def _deep(entry: Entry) -> Iterator[Finding]:
    try:
        for one in deep_check(entry.file.path):
            yield Finding(one.code, one.message, one.next_step)
    except LoradexError as error:
        yield _finding(note_of(error))


def _finding(note: FaultNote) -> Finding:
    return Finding(note.code, note.message, note.next_step)
