"""Finds listed entries by what a prompt or an infotext calls them: an alias, a part of a hash."""

from __future__ import annotations

import sqlite3

_LEAST_DIGITS = 8
"""Fewer digits of a hash would often be another file's."""


def by_alias(connection: sqlite3.Connection, alias: str) -> list[int]:
    """The keys of entries whose trainer gave them this output name.

    Every summary is looked at (60 ms for 20,000), since only names that no file has get here.
    """
    sql = """
        SELECT f.key FROM files f JOIN details d ON d.key = f.key
        WHERE f.presence = 0 AND json_extract(d.summary, '$.alias') = ? ORDER BY f.id
    """
    return [key for (key,) in connection.execute(sql, (alias,))]


def by_tensor_hash(connection: sqlite3.Connection, digits: str) -> list[int]:
    """The keys of entries whose tensor hash begins with these hexadecimal digits."""
    try:
        first = bytes.fromhex(digits[: len(digits) // 2 * 2])
    except ValueError:
        return []
    if len(digits) < _LEAST_DIGITS:
        return []
    sql = """
        SELECT f.key FROM hashes h JOIN files f ON f.key = h.key
        WHERE f.presence = 0 AND h.tensor_sha256 >= ? AND substr(h.tensor_sha256, 1, ?) = ?
            AND h.tensor_sha256 <= ?
        ORDER BY f.id
    """
    last = first + b"\xff" * 32
    return [key for (key,) in connection.execute(sql, (first, len(first), first, last))]
