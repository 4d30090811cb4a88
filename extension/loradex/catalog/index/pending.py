"""User data whose file has not shown up yet: out of an export, for a database built anew."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from loradex.catalog.index import user_rows
from loradex.catalog.index.updates import Put
from loradex.catalog.index.user_data import from_record, shown
from loradex.catalog.records import UserData

_INSERT = """
    INSERT INTO pending (root, file, fingerprint, tensor_sha256, record) VALUES (?, ?, ?, ?, ?)
"""


class Pending:
    """Records that wait, and the files of one batch that may claim them.

    The same content claims its record wherever it is now. Another content at the same place only
    borrows it (a trainer wrote the file again): whenever the right content shows up, it takes the
    record, unless the user changed it meanwhile.
    """

    def __init__(self, connection: sqlite3.Connection, puts: Sequence[Put] = ()) -> None:
        self._connection = connection
        self._any = bool(connection.execute("SELECT EXISTS (SELECT 1 FROM pending)").fetchone()[0])
        self._prints = {_place(put): put.facts.fingerprint for put in puts} if self._any else {}

    def __bool__(self) -> bool:
        return self._any

    def claim(self, put: Put, key: int) -> UserData | None:
        """The user data that waits for this file."""
        return self._by_content(put, key) or self._by_place(put, key)

    def _by_content(self, put: Put, key: int) -> UserData | None:
        find = "SELECT id, root, file, record, lent_to FROM pending WHERE fingerprint = ?"
        if not put.facts.fingerprint:
            return None
        found = self._connection.execute(find, (put.facts.fingerprint,)).fetchall()
        found.sort(key=lambda row: (row[1], row[2]) != _place(put))
        for number, root, file, record, lent_to in found:
            elsewhere = (root, file) != _place(put)
            if elsewhere and self._prints.get((root, file)) == put.facts.fingerprint:
                continue  # its own file is in this batch, and this is a copy of it
            user = _user(record)
            self._connection.execute("DELETE FROM pending WHERE id = ?", (number,))
            if lent_to is not None and lent_to != key:
                _take_back(self._connection, lent_to, user)
            return user
        return None

    def _by_place(self, put: Put, key: int) -> UserData | None:
        find = "SELECT id, record FROM pending WHERE root = ? AND file = ? AND lent_to IS NULL"
        row = self._connection.execute(find, _place(put)).fetchone()
        if row is None:
            return None
        self._connection.execute("UPDATE pending SET lent_to = ? WHERE id = ?", (key, row[0]))
        return _user(row[1])


def add(connection: sqlite3.Connection, records: Sequence[Mapping[str, Any]]) -> None:
    """Lets records wait, in place of those that wait for the same file."""
    places = [(record["root"], record["id"]) for record in records]
    connection.executemany("DELETE FROM pending WHERE root = ? AND file = ?", places)
    connection.executemany(_INSERT, [
        (record["root"], record["id"], record.get("fingerprint", ""),
         record.get("tensor_sha256", ""), json.dumps(record))
        for record in records
    ])


def adopt(connection: sqlite3.Connection, overwrite: bool) -> None:
    """Gives records to rows of their content that are there already.

    A row that has user data keeps it, unless the records are newer (`overwrite`).
    """
    free = "" if overwrite else "AND e.has_user = 0"
    find = f"""
        SELECT p.id, p.record, f.key, MAX(f.id = p.file) FROM pending p
        JOIN files f ON f.fingerprint = p.fingerprint JOIN entries e ON e.key = f.key {free}
        WHERE p.fingerprint <> '' GROUP BY p.id
    """
    for number, record, key, _ in connection.execute(find).fetchall():
        user_rows.write_user(connection, key, _user(record))
        connection.execute("DELETE FROM pending WHERE id = ?", (number,))


def adopt_hashed(connection: sqlite3.Connection, key: int, tensor_sha256: str) -> None:
    """The tensors are known now: a record of the same tensors under another header is theirs."""
    if not tensor_sha256 or not user_rows.read_user(connection, key).empty:
        return
    find = "SELECT id, record FROM pending WHERE tensor_sha256 = ? AND lent_to IS NULL"
    row = connection.execute(find, (tensor_sha256,)).fetchone()
    if row is not None:
        user_rows.write_user(connection, key, _user(row[1]))
        connection.execute("DELETE FROM pending WHERE id = ?", (row[0],))


def waiting(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """The records that nobody has, for the next export."""
    find = "SELECT record FROM pending WHERE lent_to IS NULL"
    return [_record(text) for (text,) in connection.execute(find)]


def forget_lent(connection: sqlite3.Connection) -> None:
    """What was lent is given: the scan that could have found the right content is long over."""
    connection.execute("DELETE FROM pending WHERE lent_to IS NOT NULL")


def _take_back(connection: sqlite3.Connection, key: int, user: UserData) -> None:
    if user_rows.read_user(connection, key) == user:
        user_rows.write_user(connection, key, UserData())


def _user(text: str) -> UserData:
    return from_record(_record(text))


def _record(text: str) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except ValueError as error:
        raise sqlite3.DatabaseError(f"a pending record is malformed: {error}") from error
    if not isinstance(record, dict):
        raise sqlite3.DatabaseError("a pending record is malformed")
    return record


def _place(put: Put) -> tuple[str, str]:
    return shown(os.fspath(put.file.root)), put.file.id
