"""What the index does by itself: old rows go, words are indexed, the user's data is exported."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loradex.catalog.index import export, pending, user_rows
from loradex.catalog.index.keeper import Keeper
from loradex.catalog.index.lifetime import Lifetime
from loradex.catalog.index.recover import has_full_text
from loradex.errors import CancelledError, LoradexError

log = logging.getLogger(__name__)

_GONE_DAYS = 30
_DAY_NS = 24 * 3600 * 10**9
_EXPORT_AFTER_S = 0.8
_INDEX_AFTER_S = 0.3
_INDEX_LATEST_S = 10.0
"""Indexing words costs as much as all else of a new row: not beside a first listing."""
_WORDS_AT_ONCE = 250

_EXPORT, _INDEX = "export", "index"


class Upkeep:
    """Owns the thread that does this, and the export's file."""

    def __init__(self, database: Path | None, reader: str = "") -> None:
        self._reader = reader
        self._file = export.export_path(database) if database else None
        self._keeper = Keeper({_EXPORT: self._export, _INDEX: self._index}, "loradex-index")
        self._lifetime: Lifetime | None = None
        self._lock = threading.Lock()
        self._notes: list[str] = []
        self._unsaved: dict[tuple[str, str], Mapping[str, Any]] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        with self._lock:
            return tuple(self._notes)

    def prepare(self, connection: sqlite3.Connection) -> None:
        """The first transaction on a database: forgets what is old, takes an export in."""
        _prune(connection, time.time_ns())
        pending.forget_lent(connection)
        _forget_other_readers(connection, self._reader)
        try:
            self._import(connection)
        except OSError as error:  # it is left alone, and read or told again before the next export
            self._tell_unwritten(error)

    def start(self, lifetime: Lifetime) -> None:
        """Goes on with what an earlier process left undone."""
        self._lifetime = lifetime
        if lifetime.read(_has_unindexed):
            self._keeper.ask(_INDEX, _INDEX_AFTER_S, _INDEX_LATEST_S)
        if self._file and lifetime.read(_is_unexported):
            self._keeper.ask(_EXPORT, _EXPORT_AFTER_S)

    def stop(self) -> None:
        """Ends the thread; an export that waits is written now."""
        self._keeper.stop()
        try:
            if self._file:
                self._export()
        except CancelledError:
            log.debug("Closed before")
        except LoradexError:  # another program holds the index; the next start exports
            log.exception("What the user said is not exported yet")

    def after_changes(self) -> None:
        """Asks for what may follow from a change; what is up to date already costs little."""
        self._keeper.ask(_INDEX, _INDEX_AFTER_S, _INDEX_LATEST_S)
        if self._file:
            self._keeper.ask(_EXPORT, _EXPORT_AFTER_S)

    def remember(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Keeps what the user said until it is exported, should the database break first."""
        with self._lock:
            for record in records:
                self._unsaved[record["root"], record["id"]] = record

    @property
    def _database(self) -> Lifetime:
        assert self._lifetime is not None
        return self._lifetime

    def _index(self) -> bool:
        return self._database.write(_index_some)

    def _export(self) -> bool:
        """Writes the export if it is older than the index; True if it is older again by now."""
        assert self._file is not None
        if not self._database.read(_is_unexported):
            return False
        try:
            if export.stamp(self._file) != self._database.read(_meta).get("export_stamp", ""):
                self._database.write(self._import)  # somebody else wrote it since
            return self._write_export(self._file)
        except OSError as error:
            self._tell_unwritten(error)
            return False

    def _tell_unwritten(self, error: OSError) -> None:
        name = self._file.name if self._file else ""
        self._note(f"Your favourites, tags and notes are kept in the index only, not in {name}: "
                   f"{error.strerror or error}.")

    def _write_export(self, file: Path) -> bool:
        with self._lock:
            unsaved = dict(self._unsaved)

        def read(connection: sqlite3.Connection) -> tuple[dict[str, str], list[dict[str, Any]]]:
            return _meta(connection), [*user_rows.records(connection), *pending.waiting(connection)]

        meta, records = self._database.read(read)
        revision = int(meta["user_revision"])
        export.write(file, meta["database"], revision, records)

        def done(connection: sqlite3.Connection) -> bool:
            _set_meta(connection, exported_revision=revision, export_stamp=export.stamp(file))
            return _is_unexported(connection)

        again = self._database.write(done)
        with self._lock:
            for place, record in unsaved.items():
                if self._unsaved.get(place) is record:
                    del self._unsaved[place]
        return again

    def _import(self, connection: sqlite3.Connection) -> None:
        """Takes in an export that this database did not write, or wrote and then lost.

        Records of this database's own export win over its rows only if the export is newer: a
        power cut took the last transactions, or the disk was full.
        """
        meta = _meta(connection)
        if self._file is None or export.stamp(self._file) == meta.get("export_stamp", ""):
            return
        exported = self._read_export(self._file)
        revision = int(meta["user_revision"])
        if exported is None:
            _set_meta(connection, exported_revision=-1 if revision else 0, export_stamp="")
        elif exported.database != meta["database"] or exported.revision > revision:
            own = exported.database == meta["database"]
            pending.add(connection, exported.records)
            pending.adopt(connection, overwrite=own)
            after = max(revision, exported.revision if own else 0) + 1
            _set_meta(connection, user_revision=after, export_stamp=export.stamp(self._file))
        with self._lock:
            unsaved = list(self._unsaved.values())
        if unsaved:
            pending.add(connection, unsaved)
            pending.adopt(connection, overwrite=True)
            user_rows.user_changed(connection)

    def _read_export(self, file: Path) -> export.Exported | None:
        """The export; one that is not understood in whole is kept under another name."""
        exported, reason = None, "some entries are not valid"
        try:
            exported = export.read(file)
        except ValueError as error:
            reason = str(error)
        else:
            if exported is None or exported.whole:
                return exported
        self._note(export.put_aside(file, reason))
        return exported

    def _note(self, sentence: str) -> None:
        with self._lock:
            if sentence not in self._notes:
                self._notes.append(sentence)


def _prune(connection: sqlite3.Connection, now_ns: int) -> None:
    """Rows that are gone for long and hold nothing of the user's."""
    old = (
        "SELECT f.key FROM files f JOIN entries e ON e.key = f.key "
        "WHERE f.presence = 2 AND e.has_user = 0 AND f.gone_ns < ?"
    )
    limit = (now_ns - _GONE_DAYS * _DAY_NS,)
    if connection.execute(f"SELECT EXISTS ({old})", limit).fetchone()[0]:
        connection.execute(f"DELETE FROM labelled WHERE key IN ({old})", limit)
        connection.execute(f"DELETE FROM files WHERE key IN ({old})", limit)


def _forget_other_readers(connection: sqlite3.Connection, reader: str) -> None:
    """Lets no stamp hold, so that each file is read again; its time stays, and so its hashes."""
    if _meta(connection).get("reader", "") != reader:
        connection.execute("UPDATE files SET inode = -1, companions_stamp = ''")
        connection.execute("DELETE FROM checkpoints")
        _set_meta(connection, reader=reader)


def _index_some(connection: sqlite3.Connection) -> bool:
    """Moves some rows into the index of words: a piece short enough for writers to wait for."""
    if not _has_unindexed(connection):
        return False
    find = "SELECT key FROM unindexed ORDER BY key LIMIT ?"
    keys = [key for (key,) in connection.execute(find, (_WORDS_AT_ONCE,))]
    span = keys[0], keys[-1]
    connection.execute(
        "INSERT INTO found(rowid, words) SELECT u.key, t.words FROM unindexed u "
        "JOIN texts t ON t.key = u.key WHERE u.key BETWEEN ? AND ?", span
    )
    connection.execute("DELETE FROM unindexed WHERE key BETWEEN ? AND ?", span)
    return len(keys) == _WORDS_AT_ONCE


def _has_unindexed(connection: sqlite3.Connection) -> bool:
    if not has_full_text(connection):
        return False
    return bool(connection.execute("SELECT EXISTS (SELECT 1 FROM unindexed)").fetchone()[0])


def _is_unexported(connection: sqlite3.Connection) -> bool:
    meta = _meta(connection)
    return meta["user_revision"] != meta["exported_revision"]


def _meta(connection: sqlite3.Connection) -> dict[str, str]:
    found = dict(connection.execute("SELECT name, value FROM meta").fetchall())
    if not {"database", "user_revision", "exported_revision"} <= set(found):
        raise sqlite3.DatabaseError("it lacks its own description")
    return found


def _set_meta(connection: sqlite3.Connection, **values: object) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO meta VALUES (?, ?)",
        [(name, str(value)) for name, value in values.items()],
    )
