"""Queries as SQL: filters, words, order, counts, facets and folders."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from loradex.catalog.index import schema
from loradex.catalog.index.texts import clean, fold, search_words, sort_key
from loradex.catalog.records import Query

# The shortest word that an index of trigrams can find.
_TRIGRAM = 3

# Going down is going up reversed, ties included; those with the best rating are listed by name.
_ORDER = {
    "name": ("e.sort_name", "e.key"),
    "path": ("e.sort_path", "e.key"),
    "added": ("e.added_ns", "e.key"),
    "modified": ("e.modified_ns", "e.key"),
    "size": ("e.size", "e.key"),
    "rating": ("e.rating", "-e.sort_name", "-e.key"),
    "family": ("e.family", "e.sort_name", "e.key"),
}
_ANSWERED = """
    SELECT v.profile FROM verdicts v JOIN checkpoints c ON c.id = v.checkpoint WHERE c.name = ?
"""
_MOST = 2**62
_DEEP = 1000
_MOST_VALUES = 200


class Sql(NamedTuple):
    """A piece of SQL over the row `e`, and its values."""

    text: str
    values: tuple[Any, ...] = ()


def valid(query: Query) -> Query:
    """The query within what SQLite takes: no halves of surrogate pairs, no endless lists."""
    texts = {name: clean(getattr(query, name)) for name in ("folder", "checkpoint")}
    lists = {
        name: tuple(dict.fromkeys(clean(value) for value in getattr(query, name)))[:_MOST_VALUES]
        for name in ("families", "types", "statuses", "verdicts", "tags")
    }
    limit = None if query.limit is None else min(max(query.limit, 0), _MOST)
    offset = min(max(query.offset, 0), _MOST)
    return replace(query, **texts, **lists, limit=limit, offset=offset)  # type: ignore[arg-type]


def keys(connection: sqlite3.Connection, query: Query, full_text: bool) -> list[int]:
    """The keys of a query's page, in order."""
    order = _order(query)
    source = _source(query, full_text)
    limit = -1 if query.limit is None else query.limit
    sql = f"SELECT e.key FROM {source.text} ORDER BY {order.text} LIMIT ? OFFSET ?"
    values = (*source.values, *order.values, limit, query.offset)
    return [key for (key,) in connection.execute(sql, values)]


def count(connection: sqlite3.Connection, query: Query, full_text: bool) -> int:
    """How many entries a query has on all its pages."""
    source = _source(replace(query, offset=0, sort="name"), full_text)
    sql = f"SELECT COUNT(*) FROM {source.text}"
    found: int = connection.execute(sql, source.values).fetchone()[0]
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
    names = dict(connection.execute("SELECT id, path FROM folders"))
    direct = _groups(connection, replace(query, folder=""), full_text, "folder")
    for number, entries in direct.items():
        parts = names[number].split("/") if names[number] else []
        for depth in range(len(parts) + 1):
            found["/".join(parts[:depth])] += entries
    return dict(sorted(found.items()))


def _groups(
    connection: sqlite3.Connection, query: Query, full_text: bool, column: str
) -> dict[Any, int]:
    source = _source(query, full_text)
    sql = f"SELECT e.{column}, COUNT(*) FROM {source.text} GROUP BY 1 ORDER BY 1"
    return dict(connection.execute(sql, source.values).fetchall())


def _labels(
    connection: sqlite3.Connection, query: Query, full_text: bool, kind: int
) -> dict[str, int]:
    """The most frequent first."""
    source = _source(query, full_text)
    sql = f"""
        SELECT l.shown, n.number FROM labels l JOIN (
            SELECT label, COUNT(*) AS number FROM labelled
            WHERE label IN (SELECT id FROM labels WHERE kind = ?)
                AND +key IN (SELECT e.key FROM {source.text}) GROUP BY label
        ) n ON n.label = l.id
        ORDER BY n.number DESC, l.folded
    """
    return dict(connection.execute(sql, (kind, *source.values)).fetchall())


def _verdicts(connection: sqlite3.Connection, query: Query, full_text: bool) -> dict[str, int]:
    if not query.checkpoint:
        return {}
    answers = "SELECT v.profile, v.answer FROM verdicts v JOIN checkpoints c ON c.id = v.checkpoint"
    named = dict(connection.execute(f"{answers} WHERE c.name = ?", (query.checkpoint,)))
    found: Counter[str] = Counter()
    for profile, number in _groups(connection, query, full_text, "profile").items():
        found[named.get(profile, "")] += number
    return dict(sorted(found.items()))


def _source(query: Query, full_text: bool) -> Sql:
    """Everything after FROM: the entries of a query."""
    words = search_words(query.text)
    found = _found(words, full_text) if words else None
    start = f"({found.text}) m CROSS JOIN entries e ON e.key = m.key" if found else "entries e"
    if query.sort == "relevance" and _has_digits(words):
        start += " CROSS JOIN texts t ON t.key = m.key"
    further = [
        *_choices(query), *_switches(query), *_folder(query), *_tags(query), *_verdict(query),
    ]
    if further and not found and query.offset <= _DEEP:
        # Reading all narrow rows and sorting the first few of what is left beats looking each row
        # up from a sorted index, which in turn beats sorting many.
        start += " NOT INDEXED"
    filters = [_presence(query), *further]
    pieces = [*([found] if found else []), *filters]
    where = " AND ".join(f"({each.text})" for each in filters)
    return Sql(f"{start} WHERE {where}", tuple(v for each in pieces for v in each.values))


def _presence(query: Query) -> Sql:
    """`presence < 2` in these very words lets SQLite use the indexes of what is listed."""
    wanted = sorted({schema.PRESENCES.index(each) for each in query.presence})
    if wanted in ([], [schema.PRESENT, schema.OFFLINE, schema.GONE]):
        return Sql("1")
    if schema.GONE in wanted:
        return Sql(f"e.presence IN ({_marks(wanted)})", tuple(wanted))
    if len(wanted) > 1:
        return Sql("e.presence < 2")
    return Sql("e.presence < 2 AND e.presence = ?", tuple(wanted))


def _choices(query: Query) -> list[Sql]:
    found = []
    if query.families:
        found.append(Sql(f"e.family IN ({_marks(query.families)})", query.families))
    if query.statuses:
        found.append(Sql(f"e.status IN ({_marks(query.statuses)})", query.statuses))
    if query.types:
        found.append(_labelled(query, schema.TYPE, query.types))
    return found


def _switches(query: Query) -> list[Sql]:
    switches = {
        "favourite": query.favourite, "fault": query.has_fault, "preview": query.has_preview,
    }
    return [Sql(f"e.{name} = ?", (wanted,))
            for name, wanted in switches.items() if wanted is not None]


def _folder(query: Query) -> list[Sql]:
    folder = query.folder.strip("/")
    if not folder:
        return []
    # '0' follows '/', so these are the names that begin with the folder and a slash.
    below = "SELECT id FROM folders WHERE path = ? OR (path >= ? AND path < ?)"
    return [Sql(f"e.folder IN ({below})", (folder, f"{folder}/", f"{folder}0"))]


def _tags(query: Query) -> list[Sql]:
    return [_labelled(query, schema.TAG, [tag]) for tag in query.tags]


def _labelled(query: Query, kind: int, names: Sequence[str]) -> Sql:
    """The plus keeps SQLite from looking up each key, where an index gives the order."""
    key = "+e.key" if query.offset > _DEEP else "e.key"
    labels = f"SELECT id FROM labels WHERE kind = ? AND folded IN ({_marks(names)})"
    sql = f"{key} IN (SELECT key FROM labelled WHERE label IN ({labels}))"
    return Sql(sql, (kind, *(fold(name) for name in names)))


def _verdict(query: Query) -> list[Sql]:
    if not query.verdicts:
        return []
    marks = _marks(query.verdicts)
    sql = f"e.profile IN ({_ANSWERED} AND v.answer IN ({marks}))"
    values: tuple[str, ...] = (query.checkpoint, *query.verdicts)
    if "" in query.verdicts:  # not judged yet
        sql = f"{sql} OR e.profile NOT IN ({_ANSWERED})"
        values = (*values, query.checkpoint)
    return [Sql(sql, values)]


def _found(words: Sequence[str], full_text: bool) -> Sql:
    """The keys of all texts in which every word occurs, wherever it begins or ends."""
    within = " AND ".join("instr(t.words, ?)" for _ in words)
    long = [word for word in words if len(word) >= _TRIGRAM]
    if not long or not full_text:
        return Sql(f"SELECT t.key FROM texts t WHERE {within}", tuple(words))
    short = [word for word in words if len(word) < _TRIGRAM]
    phrases = " AND ".join('"' + word.replace('"', '""') + '"' for word in long)
    indexed = "SELECT found.rowid AS key FROM found WHERE found MATCH ?"
    if short:
        rest = " AND ".join("instr(t.words, ?)" for _ in short)
        joined = f"({indexed}) i CROSS JOIN texts t ON t.key = i.key"
        indexed = f"SELECT i.key FROM {joined} WHERE {rest}"
    waiting = f"SELECT t.key FROM unindexed u CROSS JOIN texts t ON t.key = u.key WHERE {within}"
    return Sql(f"{indexed} UNION ALL {waiting}", (phrases, *short, *words))


def _order(query: Query) -> Sql:
    words = search_words(query.text)
    if query.sort == "relevance" and words:
        return _relevance(words, query.descending)
    columns = _ORDER.get(query.sort, _ORDER["name"])
    return Sql(", ".join(_directed(column, query.descending) for column in columns))


def _directed(column: str, descending: bool) -> str:
    """A column with its direction; one with a minus runs against the others."""
    against = column.startswith("-")
    return f"{column.lstrip('-')} {'DESC' if descending != against else 'ASC'}"


def _relevance(words: Sequence[str], descending: bool) -> Sql:
    """Names that are a word, then that begin with it, then that hold it, then the rest.

    The key that names are sorted by is at hand and holds the name, but for its digits.
    """
    name = "e.sort_name"
    if _has_digits(words):
        name = "substr(t.words, 1, instr(t.words, char(10)) - 1)"
    ranks = [f"CASE instr({name}, ?) WHEN 0 THEN 3 WHEN 1 THEN {name} <> ? ELSE 2 END"
             for _ in words]
    rank = ranks[0] if len(ranks) == 1 else f"max({', '.join(ranks)})"
    direction = "DESC" if descending else "ASC"
    order = f"{rank} {direction}, e.sort_name {direction}, e.key {direction}"
    return Sql(order, tuple(value for word in words for value in (word, word)))


def _has_digits(words: Sequence[str]) -> bool:
    return any(sort_key(word) != word for word in words)


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))
