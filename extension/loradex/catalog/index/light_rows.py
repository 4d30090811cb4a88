"""The few fields of each file that cards show, read for a whole library at once."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from loradex.catalog.index import rows, schema

_SELECT = """
    SELECT f.key, f.root, f.id, f.presence, f.size, f.mtime_ns, f.added_ns, f.companions_stamp,
           e.profile, e.sort_name, d.name, d.facts, d.summary, d.user
    FROM files f JOIN entries e ON e.key = f.key JOIN details d ON d.key = f.key
    WHERE f.presence < 2
"""
_VERDICTS = """
    SELECT v.profile, v.answer FROM verdicts v JOIN checkpoints c ON c.id = v.checkpoint
    WHERE c.name = ?
"""
_FINGERPRINT = '"fingerprint":"'

Said = Mapping[str, Any]
"""The fields of a record as they are stored: those that hold their defaults are not there."""


class LightRow(NamedTuple):
    """One listed file without its path, its evidence and everything else that only details show."""

    key: int
    root: str
    id: str
    name: str
    presence: str
    size: int
    mtime_ns: int
    added_ns: int
    companions_stamp: str
    facts: Said
    summary: Said
    user: Said
    verdict: str
    alone: bool
    """No other listed file is called so, whatever its case and its folder."""


def read(
    connection: sqlite3.Connection, keys: Sequence[int] | None, checkpoint: str
) -> list[LightRow]:
    """The rows of all listed files, or of those among some keys, ordered by key.

    Raises:
        sqlite3.DatabaseError: a row holds what was never written there.
    """
    verdicts = dict(connection.execute(_VERDICTS, (checkpoint,)).fetchall()) if checkpoint else {}
    roots, known = rows.root_names(connection), dict[str, Said]()
    found = _selected(connection, keys)
    alike = _alike(connection, found, keys is None)
    return [_row(each, roots, verdicts, known, alike[each[9]] == 1) for each in found]


def _selected(
    connection: sqlite3.Connection, keys: Sequence[int] | None
) -> list[tuple[Any, ...]]:
    if keys is None:
        return connection.execute(f"{_SELECT} ORDER BY f.key").fetchall()
    found: list[tuple[Any, ...]] = []
    for chunk in rows.chunks(sorted(set(keys))):
        marks = ", ".join("?" * len(chunk))
        found += connection.execute(f"{_SELECT} AND f.key IN ({marks}) ORDER BY f.key", chunk)
    return found


def _alike(
    connection: sqlite3.Connection, found: Sequence[tuple[Any, ...]], whole: bool
) -> Mapping[str, int]:
    """How many listed files have each of the names, by the key that they are sorted by."""
    if whole:
        return Counter(row[9] for row in found)
    sql = "SELECT COUNT(*) FROM entries WHERE presence < 2 AND sort_name = ?"
    return {name: connection.execute(sql, (name,)).fetchone()[0]
            for name in {row[9] for row in found}}


def _row(
    row: tuple[Any, ...], roots: Mapping[int, str], verdicts: Mapping[int, str],
    known: dict[str, Said], alone: bool,
) -> LightRow:
    key, root, file_id, presence, size, mtime, added, companions, profile, _, name = row[:11]
    facts, summary, user = row[11:]
    try:
        return LightRow(
            key, roots[root], file_id, name, schema.PRESENCES[presence], int(size), int(mtime),
            int(added), companions, _facts(facts, known), _said(summary), _said(user),
            verdicts.get(profile, ""), alone,
        )
    except (ValueError, TypeError, LookupError) as error:
        raise rows.unreadable(key, error) from error


def _facts(text: str, known: dict[str, Said]) -> Said:
    """Facts are long, and alike but for the fingerprint in files of one kind: parsed once each."""
    start = text.find(_FINGERPRINT)
    stop = text.find('"', start + len(_FINGERPRINT))
    alike = text[:start] + text[stop:] if start >= 0 else text
    found = known.get(alike)
    if found is None:
        found = known[alike] = _said(text)
    return found


def _said(text: str) -> Said:
    found = {} if text == "{}" else json.loads(text)
    if not isinstance(found, dict):
        raise TypeError("it is no record")
    return found


def stamp_of_preview(row: LightRow) -> str:
    """What differs when the picture of a row may have changed; '' where there is none."""
    preview = row.summary.get("preview", "")
    if not preview:
        return ""
    inside = f"|{row.mtime_ns}" if preview == "metadata" else ""
    return f"{preview}|{row.companions_stamp}{inside}"
