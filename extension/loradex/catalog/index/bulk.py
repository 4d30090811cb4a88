"""Writes many rows with few statements.

Each step of a statement lets go of Python's interpreter lock, and beside threads that are busy
reading files it can take a whole switch interval to get it back, for every row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import Any

_PARAMETERS = 900
"""SQLite takes 999 in builds from before 3.32."""
_VALUES = "VALUES "


def insert(connection: sqlite3.Connection, statement: str, rows: Iterable[Sequence[Any]]) -> None:
    """Runs an INSERT of one row, `VALUES (?, ...)` and what follows, for all rows."""
    begin, _, end = statement.partition(_VALUES)
    marks, _, rest = end.partition(")")
    group = f"{marks})"
    at_once = max(1, _PARAMETERS // group.count("?"))
    left = iter(rows)
    while taken := list(islice(left, at_once)):
        groups = ", ".join([group] * len(taken))
        connection.execute(f"{begin}{_VALUES}{groups}{rest}", list(chain.from_iterable(taken)))
