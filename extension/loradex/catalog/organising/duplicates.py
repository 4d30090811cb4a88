"""Finds what a library holds twice: the same bytes, the same weights, the same training run."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from loradex.catalog.records import Entry, FaultNote

_NO_BYTES = hashlib.sha256(b"").hexdigest()

Kind = Literal["same_file", "same_tensors", "same_run", "candidates"]


@dataclass(frozen=True)
class Group:
    """Entries of one kind of likeness, the one to keep first.

    `same_file`: every byte is the same. `same_tensors`: the weights are, the headers differ.
    `same_run`: epochs of one training, which differ. `candidates`: as large and with the same
    samples; their hashes will tell whether they are one file.
    """

    kind: Kind
    entries: tuple[Entry, ...]
    wasted_bytes: int
    """What the disk would gain if only `keep` stayed; 0 where nothing is known to be twice."""
    keep: Entry
    reason: str


def find_duplicates(entries: Iterable[Entry]) -> tuple[Group, ...]:
    """All groups of present files, those that waste most first; runs come last.

    A file is in one group of the first three kinds at most, except that copies count as one file
    where weights are compared. Two names of one file on the disk (hard links) waste nothing and
    are no duplicates.
    """
    # An empty file is broken by itself and no copy of another.
    filled = (each for each in entries if each.presence == "present" and each.file.size)
    present = _one_per_file(filled)
    files = _groups("same_file", present, lambda entry: entry.sha256)
    firsts = _without_the_rest(present, files)
    tensors = _groups("same_tensors", firsts, _tensors)
    maybe = _groups("candidates", firsts, _sample)
    maybe = [group for group in maybe if not _all_known(group)]
    singles = _without_the_rest(firsts, tensors)
    runs = _groups("same_run", singles, lambda entry: entry.summary.session)
    runs = [group for group in runs if len({each.summary.epoch for each in group.entries}) > 1]
    found = sorted((*files, *tensors, *maybe), key=lambda group: -_weight(group))
    return (*found, *runs)


def duplicate_notes(entries: Iterable[Entry]) -> Mapping[int, FaultNote]:
    """What to say of files that are there twice, by key; the one to keep has no note."""
    notes = {}
    for group in find_duplicates(entries):
        if group.kind in ("same_file", "same_tensors"):
            for entry in group.entries:
                if entry is not group.keep:
                    notes[entry.key] = _note(group)
    return notes


def _note(group: Group) -> FaultNote:
    what = {
        "same_file": "the same file as",
        "same_tensors": "the same weights under another header as",
    }[group.kind]
    return FaultNote(
        "duplicate",
        f"This is {what} {_shown(group.keep, group.entries)}.",
        f"Keep that one ({group.reason}) and move this one to the bin.",
    )


def _shown(entry: Entry, others: Sequence[Entry]) -> str:
    """With its root where ids alone do not tell files apart."""
    several = len({other.file.root for other in others}) > 1
    return str(entry.file.path) if several else entry.file.id


def _groups(
    kind: Kind, entries: Iterable[Entry], value: Callable[[Entry], Hashable]
) -> list[Group]:
    by_value: dict[Hashable, list[Entry]] = defaultdict(list)
    for entry in entries:
        if wanted := value(entry):
            by_value[wanted].append(entry)
    return [_group(kind, alike) for alike in by_value.values() if len(alike) > 1]


def _group(kind: Kind, entries: list[Entry]) -> Group:
    ranked = sorted(entries, key=_last_epoch if kind == "same_run" else _worth)
    keep, reason = ranked[0], ""
    if kind == "same_run":
        reason = f"it is the latest epoch ({keep.summary.epoch})"
    else:
        reason = _reason(keep, ranked[1])
    known = kind in ("same_file", "same_tensors")
    wasted = sum(entry.file.size for entry in ranked[1:]) if known else 0
    return Group(kind, tuple(ranked), wasted, keep, reason)


_WORTH: tuple[tuple[str, Callable[[Entry], Hashable]], ...] = (
    ("it has your stars, tags or notes", lambda entry: entry.user.empty),
    ("it has descriptions or a preview beside it", lambda entry: not _described(entry)),
    ("it is older", lambda entry: entry.file.mtime_ns),
    ("its path is shorter", lambda entry: len(entry.file.id)),
    ("its name comes first", lambda entry: (entry.file.id, entry.key)),
)


def _worth(entry: Entry) -> tuple[Hashable, ...]:
    return tuple(value(entry) for _, value in _WORTH)


def _reason(keep: Entry, next_best: Entry) -> str:
    return next(words for words, value in _WORTH if value(keep) != value(next_best))


def _described(entry: Entry) -> bool:
    """Whether a sidecar or a picture lies beside it, as far as the summary shows it."""
    sources = {source for source in entry.summary.sources.values() if source != "metadata"}
    return bool(sources) or entry.summary.preview not in ("", "metadata")


def _last_epoch(entry: Entry) -> tuple[int, Hashable]:
    """The latest first; trainers count from 1, so a file that tells none comes last."""
    try:
        epoch = int(entry.summary.epoch)
    except ValueError:
        epoch = 0
    return -epoch, _worth(entry)


def _tensors(entry: Entry) -> str:
    """Without the digest of no bytes at all, which all files without a tensor share."""
    return "" if entry.tensor_sha256 == _NO_BYTES else entry.tensor_sha256


def _sample(entry: Entry) -> tuple[int, str] | None:
    """A file that could not be read has no fingerprint."""
    return (entry.file.size, entry.facts.fingerprint) if entry.facts.fingerprint else None


def _all_known(group: Group) -> bool:
    return all(entry.sha256 for entry in group.entries)


def _weight(group: Group) -> int:
    return group.wasted_bytes or group.keep.file.size * (len(group.entries) - 1)


def _without_the_rest(entries: Sequence[Entry], groups: Iterable[Group]) -> list[Entry]:
    """One of each group stands for the others."""
    rest = {id(entry) for group in groups for entry in group.entries[1:]}
    return [entry for entry in entries if id(entry) not in rest]


def _one_per_file(entries: Iterable[Entry]) -> list[Entry]:
    """Links to one file under several names: the first one. Without inodes, all are kept."""
    seen: set[tuple[object, ...]] = set()
    kept = []
    for entry in entries:
        file = entry.file
        same = (file.inode, file.size, file.mtime_ns, file.ctime_ns)
        if file.inode and same in seen:
            continue
        seen.add(same)
        kept.append(entry)
    return kept
