"""User data in the index: read, written with everything that follows from it, and listed."""

from __future__ import annotations

import os
import sqlite3
from typing import Any

from loradex.catalog.index import codec, rows
from loradex.catalog.index.labels import Labels
from loradex.catalog.index.texts import search_text
from loradex.catalog.index.user_data import shown, to_record
from loradex.catalog.records import UserData
from loradex.errors import InputError

_RECORDS = """
    SELECT f.key, r.path, f.id, d.name, d.user, f.fingerprint, f.size, h.sha256, h.tensor_sha256
    FROM entries e JOIN files f ON f.key = e.key JOIN roots r ON r.id = f.root
    JOIN details d ON d.key = e.key LEFT JOIN hashes h ON h.key = e.key
"""


def read_user(connection: sqlite3.Connection, key: int) -> UserData:
    """What the user said of a row.

    Raises:
        InputError: there is no such row.
    """
    row = connection.execute("SELECT user FROM details WHERE key = ?", (key,)).fetchone()
    if row is None:
        if connection.execute("SELECT 1 FROM files WHERE key = ?", (key,)).fetchone():
            raise sqlite3.DatabaseError(f"row {key} has lost its details")
        raise InputError(f"Entry {key}", "it is not in the catalog", "", "Refresh the list.")
    return rows.stored(UserData, key, row[0])


def write_user(connection: sqlite3.Connection, key: int, user: UserData) -> None:
    """Replaces what the user said of a row, and what is found, sorted and judged by it."""
    (entry,) = rows.entries_of(connection, [key])
    facts, summary = entry.facts, entry.summary
    connection.execute(
        "UPDATE entries SET favourite = ?, rating = ?, has_user = ?, family = ?, profile = ? "
        "WHERE key = ?",
        (*rows.user_columns(user), user.family or facts.family, rows.profile(facts, user), key),
    )
    connection.execute("UPDATE details SET user = ? WHERE key = ?", (codec.encode(user), key))
    connection.execute(rows.UPSERT_TEXT, (key, search_text(entry.file, summary, user)))
    labels = Labels(connection)
    labels.remove([(key, facts, summary, entry.user)])
    labels.add([(key, facts, summary, user)])
    user_changed(connection)


def user_changed(connection: sqlite3.Connection) -> None:
    """Notes that the export is older than the index."""
    connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'user_revision'")


def records(connection: sqlite3.Connection, key: int | None = None) -> list[dict[str, Any]]:
    """Everything that users said, of all rows or of one, in the form of the export."""
    where = "e.has_user = 1" if key is None else "e.key = ?"
    values = () if key is None else (key,)
    return [_record(row) for row in connection.execute(f"{_RECORDS} WHERE {where}", values)]


def _record(row: tuple[Any, ...]) -> dict[str, Any]:
    key, root, file_id, name, user, fingerprint, size, sha256, tensor_sha256 = row
    return {
        "id": file_id, "root": shown(os.fsdecode(root)), "name": name,
        **to_record(rows.stored(UserData, key, user)),
        "fingerprint": fingerprint, "size": int(size),
        "sha256": sha256.hex() if sha256 else "",
        "tensor_sha256": tensor_sha256.hex() if tensor_sha256 else "",
    }
