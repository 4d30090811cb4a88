"""Hashes in the index: what has none yet, what was computed, and who shares one."""

from __future__ import annotations

import hashlib
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from loradex.catalog.index import pending, rows, schema, user_rows
from loradex.catalog.network_file import Stamp
from loradex.files.hashes import FileHashes

# Every network without a tensor, and every truncated one, would share it.
_NO_BYTES = hashlib.sha256(b"").digest()
_WAITS = "e.hashed IN (0, 2) AND e.presence = 0 AND e.status <> 'unfinished'"

GroupKind = Literal["same_file", "same_tensors", "same_run"]


class HashProgress(NamedTuple):
    """Files and bytes of the present rows; `failed` are those that could not be read."""

    done: int
    total: int
    done_bytes: int
    total_bytes: int
    failed: int


@dataclass(frozen=True)
class Group:
    """Listed entries that share a hash or a training run."""

    kind: GroupKind
    value: str
    keys: tuple[int, ...]


def waiting(connection: sqlite3.Connection, prefer: Sequence[int], limit: int) -> list[int]:
    """Rows to hash: the preferred ones in their order, then small files before large ones."""
    found: list[int] = []
    for chunk in rows.chunks(prefer):
        marks = ", ".join("?" * len(chunk))
        sql = f"SELECT e.key FROM entries e WHERE {_WAITS} AND e.key IN ({marks})"
        waits = {key for (key,) in connection.execute(sql, chunk)}
        found += [key for key in chunk if key in waits]
    sql = f"SELECT e.key FROM entries e WHERE {_WAITS} ORDER BY e.hashed, e.size, e.key LIMIT ?"
    rest = connection.execute(sql, (limit + len(found),))
    return list(dict.fromkeys([*found, *(key for (key,) in rest)]))[:limit]


def keep(connection: sqlite3.Connection, key: int, stamp: Stamp, hashes: FileHashes) -> bool:
    """Stores hashes if the row still has the file that they were computed of."""
    if not _has_stamp(connection, key, stamp):
        return False
    digests = bytes.fromhex(hashes.sha256), bytes.fromhex(hashes.tensor_sha256)
    connection.execute("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?)", (key, *digests))
    _set_state(connection, key, schema.HASHED)
    pending.adopt_hashed(connection, key, hashes.tensor_sha256)
    if not user_rows.read_user(connection, key).empty:
        user_rows.user_changed(connection)
    return True


def fail(connection: sqlite3.Connection, key: int, stamp: Stamp) -> None:
    """Leaves a file alone that could not be read, until it changes."""
    if _has_stamp(connection, key, stamp):
        _set_state(connection, key, schema.UNREADABLE)


def retry_failed(connection: sqlite3.Connection) -> None:
    """Lets those be tried again that could not be read: a lock or a drive may be gone now."""
    sql = "UPDATE entries SET hashed = ? WHERE hashed = ?"
    connection.execute(sql, (schema.UNHASHED, schema.UNREADABLE))


def progress(connection: sqlite3.Connection) -> HashProgress:
    sql = """
        SELECT hashed, COUNT(*), SUM(size) FROM entries
        WHERE presence = 0 AND status <> 'unfinished' GROUP BY hashed
    """
    counts = {state: (number, int(size)) for state, number, size in connection.execute(sql)}
    done = counts.get(schema.HASHED, (0, 0))
    total = tuple(sum(each) for each in zip(*counts.values(), strict=True)) or (0, 0)
    return HashProgress(done[0], total[0], done[1], total[1],
                        counts.get(schema.UNREADABLE, (0, 0))[0])


def same_content(connection: sqlite3.Connection, key: int) -> list[int]:
    """Other listed rows with the same file or the same tensors."""
    sql = """
        SELECT o.key FROM hashes h
        JOIN hashes o ON o.key <> h.key AND
            (o.sha256 = h.sha256 OR (o.tensor_sha256 = h.tensor_sha256
             AND h.tensor_sha256 NOT IN (x'', ?)))
        JOIN entries e ON e.key = o.key AND e.presence < 2
        WHERE h.key = ? ORDER BY e.sort_path, e.key
    """
    return [other for (other,) in connection.execute(sql, (_NO_BYTES, key))]


def groups(connection: sqlite3.Connection) -> list[Group]:
    """Every group of two or more; one of tensors or of a run holds more than one file's bytes."""
    same_files = _digest_groups(connection, "sha256", "same_file")
    of_file = {key: group.value for group in same_files for key in group.keys}
    tensors = _digest_groups(connection, "tensor_sha256", "same_tensors")
    sql = """
        SELECT f.session, f.key FROM files f JOIN entries e ON e.key = f.key
        WHERE f.session <> '' AND f.presence < 2 ORDER BY f.session, e.sort_path, f.key
    """
    runs = _grouped(connection.execute(sql).fetchall(), "same_run")
    differing = [
        group for group in [*tensors, *runs]
        if len({of_file.get(key, str(key)) for key in group.keys}) > 1
    ]
    return [*same_files, *differing]


def _digest_groups(
    connection: sqlite3.Connection, column: Literal["sha256", "tensor_sha256"], kind: GroupKind
) -> list[Group]:
    sql = f"""
        SELECT h.{column}, h.key FROM hashes h JOIN entries e ON e.key = h.key AND e.presence < 2
        WHERE h.{column} IN (
            SELECT {column} FROM hashes WHERE {column} NOT IN (x'', ?)
            GROUP BY {column} HAVING COUNT(*) > 1
        )
        ORDER BY h.{column}, e.sort_path, e.key
    """
    excluded = _NO_BYTES if column == "tensor_sha256" else b""
    found = connection.execute(sql, (excluded,))
    return _grouped([(digest.hex(), key) for digest, key in found], kind)


def _grouped(pairs: Sequence[tuple[str, int]], kind: GroupKind) -> list[Group]:
    together: dict[str, list[int]] = defaultdict(list)
    for value, key in pairs:
        together[value].append(key)
    return [Group(kind, value, tuple(keys)) for value, keys in together.items() if len(keys) > 1]


def _has_stamp(connection: sqlite3.Connection, key: int, stamp: Stamp) -> bool:
    sql = "SELECT size, mtime_ns, inode, ctime_ns FROM files WHERE key = ? AND presence < 2"
    row = connection.execute(sql, (key,)).fetchone()
    return row is not None and tuple(int(value) for value in row) == tuple(stamp)


def _set_state(connection: sqlite3.Connection, key: int, state: int) -> None:
    connection.execute("UPDATE entries SET hashed = ? WHERE key = ?", (state, key))
