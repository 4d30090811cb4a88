"""Opens the index whatever state its file is in: a broken one is set aside and built again."""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from loradex.catalog.index import schema
from loradex.catalog.index.connections import Connections, is_busy

log = logging.getLogger(__name__)

Prepare = Callable[[sqlite3.Connection], None]

_KEPT_BROKEN = 3
_BESIDE = ("-wal", "-shm")


class UnusableError(Exception):
    """Nothing can be kept at this path; the text says why."""


def open_database(path: Path | None, prepare: Prepare) -> tuple[Connections, tuple[str, ...]]:
    """Connections to a database with our tables, and what has to be said about it.

    `prepare` is the first to use it, in the transaction that makes or checks the tables.

    A file that is no database of ours any more is set aside. Where nothing can be written, the
    index is kept in memory.
    """
    if path is None:
        return in_memory(prepare), ()
    notes: list[str] = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _open_file(path, notes, prepare), tuple(notes)
    except (UnusableError, OSError, sqlite3.Error, UnicodeDecodeError) as error:
        log.warning("The index %s is kept in memory: %s", path, error)
        reason = str(error) if isinstance(error, UnusableError) else f"{path.name}: {error}"
        notes.append(f"The index is kept in memory and built again at each start: {reason}.")
        return in_memory(prepare), tuple(notes)


def in_memory(prepare: Prepare) -> Connections:
    """A new database that ends with its connections."""
    return _prepared(None, prepare)


def put_away(path: Path, error: Exception) -> str:
    """Sets a broken database aside and says so in a sentence."""
    target = set_aside(path)
    return (
        f"The index could not be read ({error}), so it is built again; "
        f"the old file is kept as {target.name}."
    )


def is_damage(error: Exception, path: Path) -> bool:
    """Whether the file itself is wrong, rather than its place, its lock or our call.

    SQLite reports much that is our fault by the classes that it also uses for damage, and setting
    a good index aside would cost all hashes: in doubt the file is checked.
    """
    if isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError):
        return False
    if not isinstance(error, sqlite3.DatabaseError) or is_busy(error) or no_room(error):
        return False
    doubtful = isinstance(error, sqlite3.OperationalError | sqlite3.IntegrityError)
    return not doubtful or "decode" in str(error) or not _is_sound(path)


def _is_sound(path: Path) -> bool:
    """Whether every page, index and table is as it should be."""
    try:
        with closing(Connections(path)) as connections, connections.read() as connection:
            if connection.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
                return False
            with closing(sqlite3.connect(":memory:")) as fresh:
                schema.create(fresh, has_full_text(connection))
                return schema.definitions(connection) == schema.definitions(fresh)
    except (sqlite3.Error, UnicodeDecodeError):
        return False


def no_room(error: Exception) -> bool:
    """Whether the place of the file cannot be written or read."""
    signs = ("full", "readonly", "read-only", "disk i/o", "unable to open", "permission")
    text = str(error).lower()
    return isinstance(error, sqlite3.OperationalError) and any(sign in text for sign in signs)


def identity(path: Path | None) -> tuple[int, int] | None:
    """Which file lies at the path now; None where there is none (or it cannot be told)."""
    if path is None:
        return None
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def set_aside(path: Path) -> Path:
    """Renames a file, and what SQLite keeps beside it, to NAME.broken-TIME; keeps the last few.

    Raises:
        OSError: the system refuses.
    """
    base = f"{path.name}.broken-{time.strftime('%Y%m%d-%H%M%S')}"
    target, number = path.with_name(base), 1
    while target.exists():
        number += 1
        target = path.with_name(f"{base}-{number}")
    path.rename(target)
    for suffix in _BESIDE:
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(target.with_name(target.name + suffix))
    _drop_old(path)
    return target


def _drop_old(path: Path) -> None:
    """Copies of an index say nothing that the files do not: a few are enough to look into."""
    found = [each for each in path.parent.iterdir()
             if each.name.startswith(f"{path.name}.broken-") and not each.name.endswith(_BESIDE)]
    for old in sorted(found, key=lambda each: each.name)[:-_KEPT_BROKEN]:
        for name in (old.name, *(old.name + suffix for suffix in _BESIDE)):
            with suppress(OSError):
                old.with_name(name).unlink()


def _open_file(path: Path, notes: list[str], prepare: Prepare) -> Connections:
    before = identity(path)
    try:
        return _prepared(path, prepare)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        if isinstance(error, sqlite3.Error) and not is_damage(error, path):
            raise
        log.warning("The index %s is broken: %s", path, error)
        if before is not None and before == identity(path):
            notes.append(put_away(path, error))
    return _prepared(path, prepare)


def _prepared(path: Path | None, prepare: Prepare) -> Connections:
    connections = Connections(path)
    try:
        with connections.write() as connection:
            _make_or_check(connection)
            prepare(connection)
    except BaseException:
        connections.close()
        raise
    return connections


def _make_or_check(connection: sqlite3.Connection) -> None:
    """Makes the tables, or checks that they are the ones of this version.

    Raises:
        sqlite3.DatabaseError: they are not.
        UnusableError: the file belongs to another program.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    there = schema.names(connection)
    if not there and not version:
        schema.create(connection, schema.can_index_text())
        connection.executemany("INSERT INTO meta VALUES (?, ?)", [
            ("database", secrets.token_hex(8)), ("user_revision", "0"), ("exported_revision", "0"),
        ])
        return
    if application != schema.APPLICATION_ID:
        raise UnusableError("the file is the database of another program")
    if version != schema.VERSION:
        raise sqlite3.DatabaseError(f"it has the form {version}, not {schema.VERSION}")
    _check_tables(there)


def _check_tables(there: frozenset[str]) -> None:
    full_text = "found" in there
    missing = schema.expected(full_text) - there
    if missing:
        raise sqlite3.DatabaseError(f"it lacks {', '.join(sorted(missing))}")
    if full_text and not schema.can_index_text():
        raise sqlite3.DatabaseError("it has a word index that this Python cannot use")


def name_of(connections: Connections) -> str:
    """What a database was called when it was made; '' where that cannot be read."""
    try:
        with connections.read() as connection:
            find = "SELECT value FROM meta WHERE name = 'database'"
            return str((connection.execute(find).fetchone() or ("",))[0])
    except (sqlite3.Error, UnicodeDecodeError):
        return ""


def has_full_text(connection: sqlite3.Connection) -> bool:
    """Whether words are looked up in an index rather than in each row."""
    return "found" in schema.names(connection)


def fsync_folder(folder: Path) -> None:
    """Makes a rename last; systems without folders that can be opened need nothing."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
