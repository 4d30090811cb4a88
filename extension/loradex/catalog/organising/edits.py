"""Changes to the user's own data and to NAME.json, in a form that can be taken back."""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Protocol

from loradex.catalog.index.updates import Known, Update
from loradex.catalog.index.user_data import changed
from loradex.catalog.organising.operations import Edit, Write
from loradex.catalog.records import Change, Entry, UserData


class Shelf(Protocol):
    """What organising needs of the store."""

    def get(self, key: int, /) -> Entry | None: ...

    def get_many(self, keys: Sequence[int], /) -> tuple[Entry, ...]: ...

    def find(self, root: Path, file_id: str, /) -> Entry | None: ...

    def apply(self, updates: Sequence[Update], /) -> tuple[Change, ...]: ...

    def set_user(self, key: int, **changes: object) -> UserData: ...

    def gone_or_any_by_fingerprint(
        self, fingerprints: Collection[str], /
    ) -> Mapping[str, tuple[Known, ...]]: ...


def plan_edits(entries: Sequence[Entry], changes: Mapping[str, Any]) -> tuple[Edit, ...]:
    """The edits that change something. `add_tags` and `remove_tags` change a part of `tags`.

    Raises:
        InputError: a field that does not exist, or a value that it cannot have.
    """
    edits = []
    for entry in entries:
        after = _changed(entry.user, changes)
        for name in (each.name for each in fields(UserData)):
            old, new = getattr(entry.user, name), getattr(after, name)
            if old != new:
                print_ = entry.facts.fingerprint
                edits.append(Edit(entry.key, print_, name, old, new, entry.file.path))
    return tuple(edits)


def backwards(edits: Iterable[Edit]) -> tuple[Edit, ...]:
    return tuple(replace(edit, old=edit.new, new=edit.old) for edit in edits)


def edit_conflicts(store: Shelf, edits: Iterable[Edit]) -> list[str]:
    """Why edits cannot be made: the entry is gone, or another value is there than `old`."""
    conflicts = []
    for edit in edits:
        entry = _entry(store, edit)
        if entry is None:
            conflicts.append("A file whose notes were changed is no longer in the library.")
        elif getattr(entry.user, edit.field) != edit.old:
            conflicts.append(f"{entry.file.id}: {edit.field} was changed since.")
    return list(dict.fromkeys(conflicts))


def make_edits(store: Shelf, edits: Iterable[Edit]) -> None:
    """Sets the new values, all fields of an entry at once."""
    by_key: dict[int, dict[str, Any]] = defaultdict(dict)
    for edit in edits:
        entry = _entry(store, edit)
        if entry is not None:
            by_key[entry.key][edit.field] = edit.new
    for key, changes in by_key.items():
        store.set_user(key, **changes)


def put_back_edits(store: Shelf, edits: Iterable[Edit]) -> None:
    """Takes back what a crash left half done; values that somebody set since stay."""
    ours = [edit for edit in backwards(edits) if not edit_conflicts(store, [edit])]
    make_edits(store, ours)


def read_bytes(path: Path) -> bytes | None:
    """The whole of a small file, or None where there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def write_conflicts(writes: Iterable[Write]) -> list[str]:
    """Files that hold something else than what is to be replaced."""
    return [f"{write.path}: it was changed since." for write in writes
            if read_bytes(write.path) != write.old]  # fmt: skip


def make_write(write: Write) -> None:
    """Gives a file its new bytes at once, or removes the file that was new."""
    if write.new is None:
        write.path.unlink(missing_ok=True)
        return
    handle, name = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=write.path.parent)
    fresh = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(write.new)
            file.flush()
            os.fsync(file.fileno())
        with suppress(OSError):  # its mode, where there was a file
            fresh.chmod(write.path.stat().st_mode)
        fresh.replace(write.path)
    finally:
        fresh.unlink(missing_ok=True)


def _entry(store: Shelf, edit: Edit) -> Entry | None:
    """The entry that was edited, also after a rebuilt database gave it another key."""
    entry = store.get(edit.key)
    if entry is not None and (
        entry.facts.fingerprint == edit.fingerprint or entry.file.path == edit.path
    ):
        return entry
    known = store.gone_or_any_by_fingerprint([edit.fingerprint]).get(edit.fingerprint, ())
    return store.get(known[0].key) if known else entry


def _changed(user: UserData, changes: Mapping[str, Any]) -> UserData:
    """The tags to remove go last, so that they are gone whatever was added."""
    parts = dict(changes)
    added, removed = parts.pop("add_tags", ()), parts.pop("remove_tags", ())
    user = changed(user, parts)
    removed = changed(UserData(), {"tags": removed}).tags
    more = changed(UserData(), {"tags": added}).tags
    tags = dict.fromkeys((*user.tags, *more))
    return replace(user, tags=tuple(tag for tag in tags if tag not in removed))
