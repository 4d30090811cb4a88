"""Entries as rows of the index and back."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from loradex.catalog.index import codec, schema
from loradex.catalog.index.texts import clean, path_key, search_text, sort_key
from loradex.catalog.index.updates import Known, Put, place
from loradex.catalog.network_file import NetworkFile, Stamp
from loradex.catalog.records import Entry, FileFacts, Summary, UserData

T = TypeVar("T")

_CHUNK = 500
_UNRATED = -1

_FILE_COLUMNS = (
    "key", "root", "id", "presence", "gone_ns", "size", "mtime_ns", "inode", "ctime_ns",
    "companions_stamp", "fingerprint", "exact_path", "added_ns", "session",
)
_ENTRY_COLUMNS = (
    "key", "presence", "status", "family", "folder", "fault", "preview", "favourite", "rating",
    "has_user", "hashed", "profile", "added_ns", "modified_ns", "size", "sort_name", "sort_path",
)

_SELECT = """
    SELECT f.key, f.root, f.id, f.presence, f.size, f.mtime_ns, f.inode, f.ctime_ns, f.exact_path,
           f.added_ns, d.name, d.facts, d.summary, d.user,
           h.sha256, h.tensor_sha256, COALESCE(v.answer, '')
    FROM files f
    JOIN details d ON d.key = f.key
    JOIN entries e ON e.key = f.key
    LEFT JOIN hashes h ON h.key = f.key
    LEFT JOIN verdicts v ON v.profile = e.profile
        AND v.checkpoint = (SELECT id FROM checkpoints WHERE name = ?)
"""

_KNOWN = """
    SELECT f.key, f.root, f.id, f.size, f.mtime_ns, f.inode, f.ctime_ns, f.companions_stamp,
           f.fingerprint, f.presence, f.exact_path
    FROM files f
"""


def upsert(table: str, columns: Sequence[str]) -> str:
    """The statement that makes or replaces a row by its key."""
    marks = ", ".join("?" * len(columns))
    changed = ", ".join(f"{name} = excluded.{name}" for name in columns if name != "key")
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) "
        f"ON CONFLICT(key) DO UPDATE SET {changed}"
    )


UPSERT_FILE = upsert("files", _FILE_COLUMNS)
UPSERT_ENTRY = upsert("entries", _ENTRY_COLUMNS)
UPSERT_DETAILS = upsert("details", ("key", "name", "facts", "summary", "user"))
UPSERT_TEXT = upsert("texts", ("key", "words"))


class Kept(NamedTuple):
    """Where a row belongs, and what it keeps while its file changes."""

    key: int
    root: int
    folder: int
    user: UserData
    added_ns: int
    hashed: int


def file_row(put: Put, kept: Kept) -> tuple[Any, ...]:
    """The row of `files`, in the order of its columns."""
    file = put.file
    path = os.fspath(file.path)
    exact = None if path == place(os.fspath(file.root), file.id, None) else os.fsencode(path)
    return (
        kept.key, kept.root, file.id, schema.PRESENT, 0,
        fitting(file.size), fitting(file.mtime_ns), fitting(file.inode), fitting(file.ctime_ns),
        put.companions_stamp, put.facts.fingerprint, exact, kept.added_ns,
        clean(put.summary.session),
    )


def entry_row(put: Put, kept: Kept) -> tuple[Any, ...]:
    """The row of `entries`, in the order of its columns."""
    file, facts, user = put.file, put.facts, kept.user
    name = sort_key(file.name)
    return (
        kept.key, schema.PRESENT, facts.status, user.family or facts.family, kept.folder,
        facts.fault is not None, bool(put.summary.preview), *user_columns(user), kept.hashed,
        profile(facts, user), kept.added_ns, fitting(file.mtime_ns), fitting(file.size),
        name, path_key(file.id.rpartition("/")[0], name),
    )


def user_columns(user: UserData) -> tuple[bool, int, bool]:
    """favourite, rating, has_user"""
    return user.favourite, _UNRATED if user.rating is None else user.rating, not user.empty


def detail_row(put: Put, kept: Kept) -> tuple[Any, ...]:
    return (
        kept.key, put.file.name, codec.encode(put.facts), codec.encode(put.summary),
        "{}" if kept.user.empty else codec.encode(kept.user),
    )


def text_row(put: Put, kept: Kept) -> tuple[int, str]:
    return kept.key, search_text(put.file, put.summary, kept.user)


def profile(facts: FileFacts, user: UserData) -> int:
    """A digest of all that a verdict depends on: files of one profile share their verdicts."""
    parts = (
        facts.structure, facts.status, facts.kind, facts.family, facts.variant, facts.confidence,
        *facts.candidates, "user", user.family,
    )
    digest = hashlib.blake2b("\n".join(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def fitting(number: int) -> int | str:
    """A number as SQLite can keep it: inodes of some file systems exceed 64 bits."""
    return number if -(2**63) <= number < 2**63 else str(number)


def entries_of(
    connection: sqlite3.Connection, keys: Sequence[int], checkpoint: str = ""
) -> tuple[Entry, ...]:
    """The entries of these keys in their order; unknown keys are left out.

    Raises:
        sqlite3.DatabaseError: a row holds what was never written there.
    """
    found: dict[int, Entry] = {}
    roots = {key: Path(name) for key, name in root_names(connection).items()}
    for chunk in chunks(keys):
        marks = ", ".join("?" * len(chunk))
        rows = connection.execute(f"{_SELECT} WHERE f.key IN ({marks})", (checkpoint, *chunk))
        found.update((row[0], _entry(row, roots)) for row in rows)
    return tuple(found[key] for key in keys if key in found)


def known_of(
    connection: sqlite3.Connection, where: str, values: Sequence[Any] = ()
) -> list[Known]:
    """What is known of the rows that fulfil a condition."""
    roots, presences = root_names(connection), schema.PRESENCES
    _check_whole(connection)
    try:
        return [
            Known(key, roots[root], file_id, _stamp(size, mtime, inode, ctime), companions,
                  fingerprint, presences[presence], exact)  # type: ignore[arg-type]
            for key, root, file_id, size, mtime, inode, ctime, companions, fingerprint,
            presence, exact in connection.execute(f"{_KNOWN} WHERE {where}", values)
        ]
    except (ValueError, TypeError, LookupError) as error:
        raise unreadable(0, error) from error


def listed_of(
    connection: sqlite3.Connection, keys: Sequence[int], checkpoint: str = ""
) -> tuple[Entry, ...]:
    """The entries of keys that the same state of the database named.

    Raises:
        sqlite3.DatabaseError: one of them is not there.
    """
    found = entries_of(connection, keys, checkpoint)
    if len(found) < len(keys):
        raise sqlite3.DatabaseError("rows have lost their details")
    return found


def _check_whole(connection: sqlite3.Connection) -> None:
    """A file that is known and not listed would never be shown again."""
    counts = [
        connection.execute(f"SELECT COUNT(*) FROM {table} WHERE presence < 2").fetchone()[0]
        for table in ("files", "entries")
    ]
    if counts[0] != counts[1]:
        raise sqlite3.DatabaseError("files and entries differ")


def stamp_of(key: int, values: Sequence[int | str]) -> Stamp:
    """A stamp out of its columns.

    Raises:
        sqlite3.DatabaseError: they hold no numbers.
    """
    try:
        return _stamp(*values)
    except (ValueError, TypeError) as error:
        raise unreadable(key, error) from error


def _stamp(size: Any, mtime: Any, inode: Any, ctime: Any) -> Stamp:
    try:
        # The quickest test that these are numbers, for 20,000 rows at once.
        _ = size | mtime | inode | ctime
    except TypeError:
        return int(size), int(mtime), int(inode), int(ctime)
    return size, mtime, inode, ctime


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


def _entry(row: tuple[Any, ...], roots: Mapping[int, Path]) -> Entry:
    key, root_key, file_id, presence, size, mtime, inode, ctime, exact, added, name = row[:11]
    try:
        root = roots[root_key]
        file = NetworkFile(
            file_id, name, Path(place(os.fspath(root), file_id, exact)), root,
            *_stamp(size, mtime, inode, ctime),
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
