"""Carries what the disk side found into the index, as one transaction of many rows."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from loradex.catalog.index import codec, rows, schema, user_rows
from loradex.catalog.index.bulk import insert
from loradex.catalog.index.labels import Labelled, Labels
from loradex.catalog.index.pending import Pending
from loradex.catalog.index.rows import Kept
from loradex.catalog.index.updates import Gone, Put, SetPresence, Update
from loradex.catalog.network_file import Stamp
from loradex.catalog.records import Change, ChangeKind, FileFacts, Summary, UserData

_OLD = """
    SELECT f.key, r.path, f.id, f.presence, f.size, f.mtime_ns, f.inode, f.ctime_ns,
           f.fingerprint, f.companions_stamp, f.added_ns, e.hashed, d.facts, d.summary, d.user
    FROM files f JOIN roots r ON r.id = f.root
    JOIN entries e ON e.key = f.key JOIN details d ON d.key = f.key
"""

Place = tuple[str, str]
"""Root and id."""


class _Old(NamedTuple):
    """A row as it is before the update."""

    key: int
    place: Place
    presence: int
    stamp: Stamp
    fingerprint: str
    companions_stamp: str
    added_ns: int
    hashed: int
    facts: str
    summary: str
    user: UserData

    @property
    def labelled(self) -> Labelled:
        facts = rows.stored(FileFacts, self.key, self.facts)
        return self.key, facts, rows.stored(Summary, self.key, self.summary), self.user

    def same_content(self, put: Put) -> bool:
        """The same size and fingerprint; without a fingerprint, the same size and time."""
        if put.file.size != self.stamp[0] or put.facts.fingerprint != self.fingerprint:
            return False
        return bool(self.fingerprint) or put.file.mtime_ns == self.stamp[1]


def apply_updates(
    connection: sqlite3.Connection, updates: Sequence[Update], now_ns: int
) -> tuple[Change, ...]:
    """Applies all of them and tells what changed for whoever looks at the list."""
    changes: list[Change] = []
    for update in updates:
        if isinstance(update, SetPresence):
            changes += _set_presence(connection, update)
    puts, gone = _last_words(updates)
    changes += _Batch(connection, now_ns).run(puts, gone)
    return tuple(changes)


def _last_words(updates: Sequence[Update]) -> tuple[list[Put], set[int]]:
    """One put for each place and for each key: of several, the last."""
    by_place: dict[Place, Put] = {}
    gone = {update.key for update in updates if isinstance(update, Gone)}
    for put in (update for update in updates if isinstance(update, Put)):
        earlier = by_place.pop(_place(put), None)
        if earlier is not None and earlier.key is not None:
            gone.add(earlier.key)
        by_place[_place(put)] = put
    by_key = {put.key: put for put in by_place.values() if put.key is not None}
    puts = [put for put in by_place.values() if put.key is None or by_key[put.key] is put]
    return puts, gone - set(by_key)


class _Batch:
    """Puts and vanished rows; rows that change places are all lifted before any is set down."""

    def __init__(self, connection: sqlite3.Connection, now_ns: int) -> None:
        self._connection = connection
        self._now_ns = now_ns
        self._roots: dict[str, int] = {}
        self._folders: dict[str, int] = {}

    def run(self, puts: Sequence[Put], gone: set[int]) -> list[Change]:
        old = self._old([put.key for put in puts if put.key is not None])
        gone = gone | self._displaced(puts, set(old))
        changes = self._hide(gone)
        lift = "UPDATE files SET root = NULL WHERE key = ?"
        self._connection.executemany(lift, [(key,) for key in old])
        return changes + self._set_down(puts, old)

    def _old(self, keys: Sequence[int]) -> dict[int, _Old]:
        found = {}
        for chunk in rows.chunks(keys):
            marks = ", ".join("?" * len(chunk))
            for row in self._connection.execute(f"{_OLD} WHERE f.key IN ({marks})", chunk):
                key, root, file_id, presence, *stamp, print_, companions, added, hashed = row[:12]
                found[key] = _Old(
                    key, (os.fsdecode(root), file_id), presence, rows.stamp_of(key, stamp), print_,
                    companions, added, hashed, row[12], row[13],
                    rows.stored(UserData, key, row[14]),
                )
        return found

    def _displaced(self, puts: Sequence[Put], kept: set[int]) -> set[int]:
        """Rows that stand where another content is now, and that have no new place."""
        places: dict[int, list[str]] = {}
        for put in puts:
            places.setdefault(self._root(put), []).append(put.file.id)
        found: set[int] = set()
        for root, ids in places.items():
            for chunk in rows.chunks(ids):
                marks = ", ".join("?" * len(chunk))
                at = f"SELECT key FROM files WHERE root = ? AND presence < 2 AND id IN ({marks})"
                found.update(key for (key,) in self._connection.execute(at, (root, *chunk)))
        return found - kept

    def _root(self, put: Put) -> int:
        name = os.fspath(put.file.root)
        if name not in self._roots:
            self._roots[name] = self._number("roots", os.fsencode(name))
        return self._roots[name]

    def _where(self, put: Put) -> tuple[int, int]:
        """The numbers of root and folder."""
        folder = put.file.id.rpartition("/")[0]
        if folder not in self._folders:
            self._folders[folder] = self._number("folders", folder)
        return self._root(put), self._folders[folder]

    def _number(self, table: str, path: str | bytes) -> int:
        self._connection.execute(f"INSERT OR IGNORE INTO {table} (path) VALUES (?)", (path,))
        found = self._connection.execute(f"SELECT id FROM {table} WHERE path = ?", (path,))
        number: int = found.fetchone()[0]
        return number

    def _hide(self, keys: set[int]) -> list[Change]:
        changes = []
        for key in sorted(keys):
            find = "SELECT id FROM files WHERE key = ? AND presence < 2"
            row = self._connection.execute(find, (key,)).fetchone()
            if row:
                changes.append(Change("gone", key, row[0]))
        values = [(self._now_ns, each.key) for each in changes]
        hide = "UPDATE files SET presence = 2, gone_ns = ? WHERE key = ?"
        self._connection.executemany(hide, values)
        hide = "UPDATE entries SET presence = 2 WHERE key = ?"
        self._connection.executemany(hide, [(each.key,) for each in changes])
        return changes

    def _set_down(self, puts: Sequence[Put], old: dict[int, _Old]) -> list[Change]:
        next_key = self._next_key()
        pending = Pending(self._connection, puts)
        pairs: list[tuple[Put, Kept, _Old | None]] = []
        for put in puts:
            before = old.get(put.key) if put.key is not None else None
            if before is None:
                kept = Kept(next_key, *self._where(put), UserData(), self._now_ns, schema.UNHASHED)
                next_key += 1
            else:
                hashed = _hashed(before, put)
                kept = Kept(before.key, *self._where(put), before.user, before.added_ns, hashed)
            if kept.user.empty and pending:
                kept = kept._replace(user=pending.claim(put, kept.key) or kept.user)
            pairs.append((put, kept, before))
        if any(not kept.user.empty for _, kept, _ in pairs):
            user_rows.user_changed(self._connection)  # the export names places and contents
        self._write([(put, kept) for put, kept, _ in pairs], old)
        told = (_change(put, kept, before) for put, kept, before in pairs)
        return [change for change in told if change is not None]

    def _next_key(self) -> int:
        """Keys are never used again, so that a page that still shows a row means no other."""
        find = "SELECT seq FROM sqlite_sequence WHERE name = 'files'"
        row = self._connection.execute(find).fetchone()
        return (row[0] if row else 0) + 1

    def _write(self, pairs: Sequence[tuple[Put, Kept]], old: dict[int, _Old]) -> None:
        to = self._connection
        lost = [(kept.key,) for put, kept in pairs
                if kept.key in old and not old[kept.key].same_content(put)]
        to.executemany("DELETE FROM hashes WHERE key = ?", lost)
        insert(to, rows.UPSERT_FILE, (rows.file_row(put, kept) for put, kept in pairs))
        insert(to, rows.UPSERT_ENTRY, (rows.entry_row(put, kept) for put, kept in pairs))
        insert(to, rows.UPSERT_DETAILS, (rows.detail_row(put, kept) for put, kept in pairs))
        insert(to, rows.UPSERT_TEXT, (rows.text_row(put, kept) for put, kept in pairs))
        labels = Labels(self._connection)
        labels.remove([each.labelled for each in old.values()])
        labels.add([(kept.key, put.facts, put.summary, kept.user) for put, kept in pairs])


def _set_presence(connection: sqlite3.Connection, update: SetPresence) -> list[Change]:
    offline = update.presence == "offline"
    kind: ChangeKind = "offline" if offline else "online"
    before, after = schema.PRESENT, schema.OFFLINE
    if not offline:
        before, after = after, before
    of_root = "root = (SELECT id FROM roots WHERE path = ?) AND presence = ?"
    values = (os.fsencode(update.root), before)
    found = connection.execute(f"SELECT key, id FROM files WHERE {of_root}", values).fetchall()
    connection.execute(f"UPDATE files SET presence = ? WHERE {of_root}", (after, *values))
    change = "UPDATE entries SET presence = ? WHERE key = ?"
    connection.executemany(change, [(after, key) for key, _ in found])
    return [Change(kind, key, file_id) for key, file_id in found]


def _hashed(before: _Old, put: Put) -> int:
    """What becomes of the hashes: a touched file keeps them until they are computed again."""
    if not before.same_content(put):
        return schema.UNHASHED
    if before.hashed == schema.HASHED and before.stamp[1] != put.file.mtime_ns:
        return schema.STALE
    if before.hashed == schema.UNREADABLE and before.stamp != put.file.stamp:
        return schema.UNHASHED
    return before.hashed


def _change(put: Put, kept: Kept, before: _Old | None) -> Change | None:
    file_id = put.file.id
    if before is None:
        return Change("added", kept.key, file_id)
    if before.presence == schema.GONE:
        old_id = before.place[1] if before.place != _place(put) else ""
        return Change("added", kept.key, file_id, old_id)
    if before.place != _place(put):
        return Change("moved", kept.key, file_id, before.place[1])
    same = before.same_content(put)
    if not same or before.stamp != put.file.stamp or before.facts != codec.encode(put.facts):
        return Change("changed", kept.key, file_id, detail={"content": not same})
    if (before.companions_stamp != put.companions_stamp
            or before.summary != codec.encode(put.summary)):
        return Change("described", kept.key, file_id)
    return Change("online", kept.key, file_id) if before.presence == schema.OFFLINE else None


def _place(put: Put) -> Place:
    return os.fspath(put.file.root), put.file.id
