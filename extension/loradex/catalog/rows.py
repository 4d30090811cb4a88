"""Entries as rows of the index and back."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from loradex.catalog import codec, schema
from loradex.catalog.records import Entry, FileFacts, Summary, UserData
from loradex.catalog.scan import NetworkFile
from loradex.catalog.texts import fold, path_key, search_text, sort_key
from loradex.catalog.updates import Known, Put, place

T = TypeVar("T")

_CHUNK = 500
_UNRATED = -1

_ENTRY_COLUMNS = (
    "key", "root", "id", "presence", "gone_ns", "size", "mtime_ns", "inode", "ctime_ns",
    "companions_stamp", "fingerprint", "exact_path", "added_ns", "status", "family", "folder",
    "fault", "preview", "favourite", "rating", "has_user", "hashed", "session", "profile",
    "sort_name", "sort_path",
)

_SELECT = """
    SELECT e.key, r.path, e.id, e.presence, e.size, e.mtime_ns, e.inode, e.ctime_ns, e.exact_path,
           e.added_ns, d.name, d.facts, d.summary, d.user,
           h.sha256, h.tensor_sha256, COALESCE(v.answer, '')
    FROM entries e
    JOIN roots r ON r.id = e.root
    JOIN details d ON d.key = e.key
    LEFT JOIN hashes h ON h.key = e.key
    LEFT JOIN checkpoints c ON c.name = ?
    LEFT JOIN verdicts v ON v.checkpoint = c.id AND v.profile = e.profile
"""

_KNOWN = """
    SELECT e.key, e.root, e.id, e.size, e.mtime_ns, e.inode, e.ctime_ns, e.companions_stamp,
           e.fingerprint, e.presence, e.exact_path
    FROM entries e
"""


def upsert(table: str, columns: Sequence[str]) -> str:
    """The statement that makes or replaces a row by its key."""
    marks = ", ".join("?" * len(columns))
    changed = ", ".join(f"{name} = excluded.{name}" for name in columns if name != "key")
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) "
        f"ON CONFLICT(key) DO UPDATE SET {changed}"
    )


UPSERT_ENTRY = upsert("entries", _ENTRY_COLUMNS)
UPSERT_DETAILS = upsert("details", ("key", "name", "facts", "summary", "user"))
UPSERT_TEXT = upsert("texts", ("key", "words"))
INSERT_LABEL = "INSERT OR IGNORE INTO labels (kind, label, key, shown) VALUES (?, ?, ?, ?)"


class Kept(NamedTuple):
    """What a row keeps while its file changes."""

    key: int
    root: int
    user: UserData
    added_ns: int
    hashed: int


def entry_row(put: Put, kept: Kept) -> tuple[Any, ...]:
    """The narrow row, in the order of its columns."""
    file, facts, user = put.file, put.facts, kept.user
    root = os.fspath(file.root)
    path = os.fspath(file.path)
    exact = None if path == place(root, file.id, None) else os.fsencode(path)
    return (
        kept.key, kept.root, file.id, schema.PRESENT, 0,
        fitting(file.size), fitting(file.mtime_ns), fitting(file.inode), fitting(file.ctime_ns),
        put.companions_stamp, facts.fingerprint, exact, kept.added_ns, facts.status,
        user.family or facts.family, file.id.rpartition("/")[0], facts.fault is not None,
        bool(put.summary.preview), *user_columns(user), kept.hashed, clean(put.summary.session),
        profile(facts, user), sort_key(file.name), path_key(file.id),
    )


def user_columns(user: UserData) -> tuple[bool, int, bool]:
    """favourite, rating, has_user"""
    return user.favourite, _UNRATED if user.rating is None else user.rating, not user.empty


def detail_row(put: Put, kept: Kept) -> tuple[Any, ...]:
    return (
        kept.key, put.file.name, codec.encode(put.facts), codec.encode(put.summary),
        codec.encode(kept.user),
    )


def text_row(put: Put, kept: Kept) -> tuple[int, str]:
    return kept.key, search_text(put.file, put.summary, kept.user)


def label_rows(
    key: int, facts: FileFacts, summary: Summary, user: UserData
) -> Iterator[tuple[int, str, int, str]]:
    """One row for each type and tag, found by its folded name."""
    for name in facts.types:
        yield schema.TYPE, name, key, name
    for tag in (*user.tags, *summary.tags):
        yield schema.TAG, fold(tag), key, clean(tag)


def profile(facts: FileFacts, user: UserData) -> str:
    """A digest of all that a verdict depends on: files of one profile share their verdicts."""
    parts = (
        facts.structure, facts.status, facts.kind, facts.family, facts.variant, facts.confidence,
        *facts.candidates, "user", user.family,
    )
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=8).hexdigest()


def fitting(number: int) -> int | str:
    """A number as SQLite can keep it: inodes of some file systems exceed 64 bits."""
    return number if -(2**63) <= number < 2**63 else str(number)


def clean(text: str) -> str:
    """Text that SQLite accepts."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def entries_of(
    connection: sqlite3.Connection, keys: Sequence[int], checkpoint: str = ""
) -> tuple[Entry, ...]:
    """The entries of these keys in their order; unknown keys are left out.

    Raises:
        sqlite3.DatabaseError: a row holds what was never written there.
    """
    found: dict[int, Entry] = {}
    for chunk in chunks(keys):
        marks = ", ".join("?" * len(chunk))
        rows = connection.execute(f"{_SELECT} WHERE e.key IN ({marks})", (checkpoint, *chunk))
        found.update((row[0], _entry(row)) for row in rows)
    return tuple(found[key] for key in keys if key in found)


def known_of(
    connection: sqlite3.Connection, where: str, values: Sequence[Any] = ()
) -> Iterator[Known]:
    """What is known of the rows that fulfil a condition."""
    roots = root_names(connection)
    for row in connection.execute(f"{_KNOWN} WHERE {where}", values):
        key, root, file_id, size, mtime, inode, ctime, companions, print_, presence, exact = row
        try:
            stamp = (int(size), int(mtime), int(inode), int(ctime))
            yield Known(key, roots[root], file_id, stamp, companions, print_,
                        schema.PRESENCES[presence], exact)  # type: ignore[arg-type]
        except (ValueError, TypeError, LookupError) as error:
            raise unreadable(key, error) from error


def root_names(connection: sqlite3.Connection) -> dict[int, str]:
    rows = connection.execute("SELECT id, path FROM roots")
    return {key: os.fsdecode(path) for key, path in rows}


def unreadable(key: int, error: Exception) -> sqlite3.DatabaseError:
    """A row that no version of ours wrote counts as a malformed database."""
    return sqlite3.DatabaseError(f"row {key} is malformed: {error}")


def chunks(values: Iterable[T], size: int = _CHUNK) -> Iterator[Sequence[T]]:
    """Pieces that stay below the number of parameters that SQLite takes."""
    items = list(values)
    for start in range(0, len(items), size):
        yield items[start : start + size]


def stored(cls: type[T], key: int, text: str) -> T:
    """A record out of its column.

    Raises:
        sqlite3.DatabaseError: the text is not what was written.
    """
    try:
        return codec.decode(cls, text)
    except (ValueError, TypeError, AttributeError) as error:
        raise unreadable(key, error) from error


def _entry(row: tuple[Any, ...]) -> Entry:
    key, root_path, file_id, presence, size, mtime, inode, ctime, exact, added, name = row[:11]
    try:
        root = os.fsdecode(root_path)
        file = NetworkFile(
            file_id, name, Path(place(root, file_id, exact)), Path(root),
            int(size), int(mtime), int(inode), int(ctime),
        )
        return Entry(
            key, file, schema.PRESENCES[presence],  # type: ignore[arg-type]
            stored(FileFacts, key, row[11]), stored(Summary, key, row[12]),
            stored(UserData, key, row[13]),
            _hex(row[14]), _hex(row[15]), added, row[16],
        )
    except (ValueError, TypeError, LookupError) as error:
        raise unreadable(key, error) from error


def _hex(digest: bytes | None) -> str:
    return digest.hex() if digest else ""
