"""One writer and a few readers of a SQLite file, shared by all threads of a process."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from loradex.catalog.index import schema
from loradex.errors import CancelledError

_BUSY_MS = 10_000
_IDLE_READERS = 4
_CLOSE_WAIT_S = 10.0
_WAL_ATTEMPTS = 50
_PAUSE_S = 0.02


class Connections:
    """Transactions for threads: writes wait for each other, reads wait for nobody.

    A reader is lent to one thread at a time and sees one state of the database until it is given
    back (WAL). A database in memory has one connection only, which all threads take in turns.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._writer = connect(path)
        self._write_lock = threading.RLock()
        self._idle: list[sqlite3.Connection] = []
        self._lent = 0
        self._closed = False
        self._state = threading.Condition()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is committed at the end, or rolled back on any exception."""
        with self._write_lock:
            self._check_open()
            connection = self._writer
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                _roll_back(connection)
                raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one state of the database."""
        if self.path is None:
            with self._write_lock:
                self._check_open()
                yield self._writer
            return
        connection = self._borrow()
        try:
            connection.execute("BEGIN")
            yield connection
        finally:
            _roll_back(connection)
            self._give_back(connection)

    @property
    def closed(self) -> bool:
        return self._closed

    def load(self, source: sqlite3.Connection) -> None:
        """Fills this database with a copy of another one."""
        with self._write_lock:
            source.backup(self._writer)

    def close(self) -> None:
        """Ends all connections once the transactions that run have ended; again is fine."""
        deadline = time.monotonic() + _CLOSE_WAIT_S
        with self._state:
            self._closed = True
            while self._lent and (left := deadline - time.monotonic()) > 0:
                self._state.wait(left)
            for connection in self._idle:
                connection.close()
            self._idle.clear()
        with self._write_lock:
            self._writer.close()

    def _check_open(self) -> None:
        if self._closed:
            raise CancelledError("The catalog", "it was closed")

    def _borrow(self) -> sqlite3.Connection:
        with self._state:
            self._check_open()
            self._lent += 1
            if self._idle:
                return self._idle.pop()
        try:
            return connect(self.path)
        except BaseException:
            with self._state:
                self._lent -= 1
                self._state.notify_all()
            raise

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._state:
            self._lent -= 1
            if self._closed or len(self._idle) >= _IDLE_READERS:
                connection.close()
            else:
                self._idle.append(connection)
            self._state.notify_all()


def connect(path: Path | None) -> sqlite3.Connection:
    """A connection in WAL mode for any thread; the caller begins and ends transactions.

    With synchronous NORMAL a power cut may lose the last transactions, never the database: the
    index is a cache, and what the user wrote is exported with fsync.
    """
    connection = sqlite3.connect(
        path or ":memory:", timeout=_BUSY_MS / 1000, isolation_level=None, check_same_thread=False
    )
    try:
        _set_up(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another process holds the lock for longer than we wait."""
    return "locked" in str(error) or "busy" in str(error)


def _set_up(connection: sqlite3.Connection) -> None:
    for pragma in ("synchronous = NORMAL", "cache_size = -8000",
                   "temp_store = MEMORY", "cell_size_check = ON"):
        connection.execute(f"PRAGMA {pragma}")
    if _is_foreign(connection):
        return
    for attempt in range(_WAL_ATTEMPTS):
        try:
            # Refused without waiting while another connection changes the mode.
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not is_busy(error) or attempt == _WAL_ATTEMPTS - 1:
                raise
            time.sleep(_PAUSE_S)
        else:
            return


def _is_foreign(connection: sqlite3.Connection) -> bool:
    """Whether the file is another program's, in which not even the mode is changed."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    return application != schema.APPLICATION_ID and bool(schema.names(connection))


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
