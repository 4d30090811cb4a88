"""Queries as SQL: filters, words, order, counts, facets and folders."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from loradex.catalog import rows, schema
from loradex.catalog.records import Query
from loradex.catalog.texts import fold, search_words

# The shortest word that an index of trigrams can find.
_TRIGRAM = 3

_ORDER = {
    "name": "e.sort_name", "path": "e.sort_path", "added": "e.added_ns",
    "modified": "e.mtime_ns", "size": "e.size", "rating": "e.rating", "family": "e.family",
}
_ANSWERED = """
    SELECT v.profile FROM verdicts v JOIN checkpoints c ON c.id = v.checkpoint WHERE c.name = ?
"""


_MOST = 2**62


class Condition(NamedTuple):
    """A piece of SQL over the row `e` and its values."""

    sql: str
    values: tuple[Any, ...] = ()


def valid(query: Query) -> Query:
    """The query without text that SQLite refuses, which then finds nothing."""
    texts = {name: rows.clean(getattr(query, name)) for name in ("folder", "checkpoint")}
    lists = {
        name: tuple(rows.clean(value) for value in getattr(query, name))
        for name in ("families", "types", "statuses", "verdicts", "tags")
    }
    return replace(query, **texts, **lists)  # type: ignore[arg-type]


def keys(connection: sqlite3.Connection, query: Query, full_text: bool) -> list[int]:
    """The keys of a query's page, in order."""
    where = _where(query, full_text)
    order = _order(query)
    limit = -1 if query.limit is None else min(max(query.limit, 0), _MOST)
    sql = f"SELECT e.key FROM entries e{order.join} WHERE {where.sql} ORDER BY {order.sql} "
    values = (*where.values, *order.values, limit, min(max(query.offset, 0), _MOST))
    return [key for (key,) in connection.execute(sql + "LIMIT ? OFFSET ?", values)]


def count(connection: sqlite3.Connection, query: Query, full_text: bool) -> int:
    """How many entries a query has on all its pages."""
    where = _where(query, full_text)
    sql = f"SELECT COUNT(*) FROM entries e WHERE {where.sql}"
    found: int = connection.execute(sql, where.values).fetchone()[0]
    return found


def facets(
    connection: sqlite3.Connection, query: Query, full_text: bool
) -> Mapping[str, Mapping[str, int]]:
    """How many entries each further choice would have.

    The choices of one field are alternatives, so each field is counted without its own filter;
    tags are combined, so they are counted within the query.
    """
    return {
        "family": _groups(connection, replace(query, families=()), full_text, "family"),
        "status": _groups(connection, replace(query, statuses=()), full_text, "status"),
        "folder": folders(connection, query, full_text),
        "type": _labels(connection, replace(query, types=()), full_text, schema.TYPE),
        "tag": _labels(connection, query, full_text, schema.TAG),
        "verdict": _verdicts(connection, replace(query, verdicts=()), full_text),
    }


def folders(connection: sqlite3.Connection, query: Query, full_text: bool) -> dict[str, int]:
    """Every folder with the number of entries in it and below it; '' is the root itself."""
    found: Counter[str] = Counter()
    direct = _groups(connection, replace(query, folder=""), full_text, "folder")
    for folder, number in direct.items():
        parts = folder.split("/") if folder else []
        for depth in range(len(parts) + 1):
            found["/".join(parts[:depth])] += number
    return dict(sorted(found.items()))


def _groups(
    connection: sqlite3.Connection, query: Query, full_text: bool, column: str
) -> dict[str, int]:
    where = _where(query, full_text)
    sql = f"SELECT e.{column}, COUNT(*) FROM entries e WHERE {where.sql} GROUP BY 1 ORDER BY 1"
    return dict(connection.execute(sql, where.values).fetchall())


def _labels(
    connection: sqlite3.Connection, query: Query, full_text: bool, kind: int
) -> dict[str, int]:
    """The most frequent first."""
    where = _where(query, full_text)
    sql = f"""
        SELECT MIN(l.shown), COUNT(*) FROM labels l
        WHERE l.kind = ? AND l.key IN (SELECT e.key FROM entries e WHERE {where.sql})
        GROUP BY l.label ORDER BY 2 DESC, l.label
    """
    return dict(connection.execute(sql, (kind, *where.values)).fetchall())


def _verdicts(connection: sqlite3.Connection, query: Query, full_text: bool) -> dict[str, int]:
    if not query.checkpoint:
        return {}
    where = _where(query, full_text)
    sql = f"""
        SELECT COALESCE(v.answer, ''), COUNT(*) FROM entries e
        LEFT JOIN checkpoints c ON c.name = ?
        LEFT JOIN verdicts v ON v.checkpoint = c.id AND v.profile = e.profile
        WHERE {where.sql} GROUP BY 1 ORDER BY 1
    """
    return dict(connection.execute(sql, (query.checkpoint, *where.values)).fetchall())


def _where(query: Query, full_text: bool) -> Condition:
    conditions = [
        _presence(query), *_choices(query), *_switches(query), *_folder(query), *_tags(query),
        *_verdict(query), *_words(search_words(query.text), full_text),
    ]
    sql = " AND ".join(f"({each.sql})" for each in conditions)
    return Condition(sql, tuple(value for each in conditions for value in each.values))


def _presence(query: Query) -> Condition:
    """`presence < 2` in these very words lets SQLite use the indexes of what is listed."""
    wanted = sorted({schema.PRESENCES.index(each) for each in query.presence})
    if wanted in ([], [schema.PRESENT, schema.OFFLINE, schema.GONE]):
        return Condition("1")
    if schema.GONE in wanted:
        return Condition(f"e.presence IN ({_marks(wanted)})", tuple(wanted))
    if len(wanted) > 1:
        return Condition("e.presence < 2")
    return Condition("e.presence < 2 AND e.presence = ?", tuple(wanted))


def _choices(query: Query) -> list[Condition]:
    found = []
    if query.families:
        found.append(Condition(f"e.family IN ({_marks(query.families)})", query.families))
    if query.statuses:
        found.append(Condition(f"e.status IN ({_marks(query.statuses)})", query.statuses))
    if query.types:
        sql = f"SELECT key FROM labels WHERE kind = ? AND label IN ({_marks(query.types)})"
        found.append(Condition(f"e.key IN ({sql})", (schema.TYPE, *query.types)))
    return found


def _switches(query: Query) -> list[Condition]:
    switches = {
        "favourite": query.favourite, "fault": query.has_fault, "preview": query.has_preview,
    }
    return [Condition(f"e.{name} = ?", (wanted,))
            for name, wanted in switches.items() if wanted is not None]


def _folder(query: Query) -> list[Condition]:
    folder = query.folder.strip("/")
    if not folder:
        return []
    # '0' follows '/', so these are the names that begin with the folder and a slash.
    sql = "e.folder = ? OR (e.folder >= ? AND e.folder < ?)"
    return [Condition(sql, (folder, f"{folder}/", f"{folder}0"))]


def _tags(query: Query) -> list[Condition]:
    sql = "e.key IN (SELECT key FROM labels WHERE kind = ? AND label = ?)"
    return [Condition(sql, (schema.TAG, fold(tag))) for tag in query.tags]


def _verdict(query: Query) -> list[Condition]:
    if not query.verdicts:
        return []
    marks = _marks(query.verdicts)
    sql = f"e.profile IN ({_ANSWERED} AND v.answer IN ({marks}))"
    values: tuple[str, ...] = (query.checkpoint, *query.verdicts)
    if "" in query.verdicts:  # not judged yet
        sql = f"{sql} OR e.profile NOT IN ({_ANSWERED})"
        values = (*values, query.checkpoint)
    return [Condition(sql, values)]


def _words(words: Sequence[str], full_text: bool) -> list[Condition]:
    """Entries in whose text every word occurs, wherever it begins or ends."""
    if not words:
        return []
    within = " AND ".join("instr(t.words, ?)" for _ in words)
    long = [word for word in words if len(word) >= _TRIGRAM]
    if not long or not full_text:
        return [Condition(f"e.key IN (SELECT t.key FROM texts t WHERE {within})", tuple(words))]
    short = [word for word in words if len(word) < _TRIGRAM]
    rest = "".join(" AND instr(t.words, ?)" for _ in short)
    phrases = " AND ".join('"' + word.replace('"', '""') + '"' for word in long)
    indexed = (
        "SELECT f.rowid FROM found f"
        + (" JOIN texts t ON t.key = f.rowid" if short else "")
        + f" WHERE f.found MATCH ?{rest}"
    )
    waiting = f"SELECT t.key FROM unindexed u JOIN texts t ON t.key = u.key WHERE {within}"
    sql = f"e.key IN ({indexed} UNION ALL {waiting})"
    return [Condition(sql, (phrases, *short, *words))]


class _Order(NamedTuple):
    sql: str
    join: str = ""
    values: tuple[str, ...] = ()


def _order(query: Query) -> _Order:
    """Ties go by name and then by key, in both directions."""
    direction = " DESC" if query.descending else ""
    words = search_words(query.text)
    if query.sort == "relevance" and words:
        return _relevance(words, direction)
    column = _ORDER.get(query.sort, "e.sort_name")
    ties = "e.key" if column in ("e.sort_name", "e.sort_path") else "e.sort_name, e.key"
    return _Order(f"{column}{direction}, {ties}")


def _relevance(words: Sequence[str], direction: str) -> _Order:
    """Names that are the words, then that begin with them, then that hold them, then the rest."""
    whole = " ".join(words)
    best = "WHEN instr(t.words, ? || char(10)) = 1 THEN 0 WHEN instr(t.words, ?) = 1 THEN 1"
    name = "instr(t.words, char(10))"
    held = " AND ".join(f"instr(t.words, ?) BETWEEN 1 AND {name}" for _ in words)
    rank = f"CASE {best} WHEN {held} THEN 2 ELSE 3 END"
    return _Order(
        f"{rank}{direction}, e.sort_name, e.key", " JOIN texts t ON t.key = e.key",
        (whole, whole, *words),
    )


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))
