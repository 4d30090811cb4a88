"""Types and tags of entries, each name stored once."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from loradex.catalog.index import schema
from loradex.catalog.index.bulk import insert
from loradex.catalog.index.texts import clean, fold
from loradex.catalog.records import FileFacts, Summary, UserData

Labelled = tuple[int, FileFacts, Summary, UserData]
"""A key and what its labels follow from."""


class Labels:
    """Writes the labels of rows, and remembers the numbers of their names meanwhile."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._numbers: dict[tuple[int, str], int] = {}

    def add(self, rows: Sequence[Labelled]) -> None:
        """Gives rows the labels that follow from what is known of them."""
        add = "INSERT OR IGNORE INTO labelled (label, key) VALUES (?, ?)"
        insert(self._connection, add, self._pairs(rows))

    def remove(self, rows: Sequence[Labelled]) -> None:
        """Takes away what `add` gave; an index by key would double the cost of adding."""
        remove = "DELETE FROM labelled WHERE label = ? AND key = ?"
        self._connection.executemany(remove, self._pairs(rows))

    def _pairs(self, rows: Sequence[Labelled]) -> list[tuple[int, int]]:
        """Sorted, since a tree grows fastest in its own order."""
        number = self._number
        pairs = [(number(schema.TYPE, name), key) for key, facts, _, _ in rows
                 for name in facts.types]
        pairs += [(number(schema.TAG, name), key) for key, _, summary, user in rows
                  for name in (*user.tags, *summary.tags)]
        pairs.sort()
        return pairs

    def _number(self, kind: int, name: str) -> int:
        number = self._numbers.get((kind, name))
        if number is None:
            number = self._numbers[kind, name] = self._find(kind, name)
        return number

    def _find(self, kind: int, name: str) -> int:
        label = kind, fold(name)
        find = "SELECT id FROM labels WHERE kind = ? AND folded = ?"
        found = self._connection.execute(find, label).fetchone()
        if found is None:
            make = "INSERT INTO labels (kind, folded, shown) VALUES (?, ?, ?)"
            return self._connection.execute(make, (*label, clean(name))).lastrowid or 0
        number: int = found[0]
        return number
