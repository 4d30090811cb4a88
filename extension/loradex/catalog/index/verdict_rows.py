"""Verdicts in the index: one for each checkpoint and profile, so files alike share theirs."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping

from loradex.catalog.index.texts import clean

_KEPT_CHECKPOINTS = 20
_SPAN = 2**64


def keep(connection: sqlite3.Connection, checkpoint: str, answers: Mapping[str, str]) -> None:
    """Adds the answers for some profiles; of the checkpoints, those used last are kept."""
    name = clean(checkpoint)
    connection.execute(
        "INSERT INTO checkpoints (name, used) VALUES (?, ?) "
        "ON CONFLICT(name) DO UPDATE SET used = excluded.used",
        (name, time.time_ns()),
    )
    find = "SELECT id FROM checkpoints WHERE name = ?"
    (number,) = connection.execute(find, (name,)).fetchone()
    connection.executemany(
        "INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?)",
        [(number, _number(profile), answer) for profile, answer in answers.items()],
    )
    connection.execute(
        "DELETE FROM checkpoints WHERE id NOT IN "
        "(SELECT id FROM checkpoints ORDER BY used DESC, id DESC LIMIT ?)",
        (_KEPT_CHECKPOINTS,),
    )


def forget(connection: sqlite3.Connection, checkpoint: str) -> None:
    """Drops a checkpoint's answers: its file changed, or verdicts are judged otherwise now."""
    connection.execute("DELETE FROM checkpoints WHERE name = ?", (clean(checkpoint),))


def unjudged(connection: sqlite3.Connection, checkpoint: str) -> dict[str, int]:
    """Profile -> one row of it, for all profiles of listed rows without an answer."""
    sql = """
        SELECT e.profile, MIN(e.key) FROM entries e
        WHERE e.presence < 2 AND e.profile NOT IN (
            SELECT v.profile FROM verdicts v JOIN checkpoints c ON c.id = v.checkpoint
            WHERE c.name = ?
        )
        GROUP BY e.profile
    """
    found = connection.execute(sql, (clean(checkpoint),))
    return {_name(profile): key for profile, key in found}


def _name(profile: int) -> str:
    return f"{profile % _SPAN:016x}"


def _number(name: str) -> int:
    """The signed number of a profile's name; a name that is none belongs to no row."""
    try:
        number = int(name, 16) % _SPAN
    except ValueError:
        return 0
    return number - _SPAN if number >= _SPAN // 2 else number
