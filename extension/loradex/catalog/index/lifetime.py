"""Runs transactions on the index, and carries on with another one when its file fails."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from loradex.catalog.index import recover
from loradex.catalog.index.connections import Connections, is_busy
from loradex.errors import CancelledError, LoradexError

log = logging.getLogger(__name__)

T = TypeVar("T")
Operation = Callable[[sqlite3.Connection], T]

_ATTEMPTS = 4
_MOST_NOTES = 20


class Lifetime:
    """A database that is replaced when it turns out to be broken, gone or impossible to write.

    `prepare` is called in a transaction on each database before anything else; it returns
    sentences for the user.
    """

    def __init__(self, path: Path | None, prepare: Callable[[sqlite3.Connection], None]) -> None:
        self.path = path
        self._prepare = prepare
        self._swap = threading.RLock()
        self._notes: list[str] = []
        self.rebuilt = 0
        self._steady = True
        self._connections = self._open()
        self._identity = recover.identity(self._connections.path)
        self._name = recover.name_of(self._connections)

    @property
    def notes(self) -> tuple[str, ...]:
        with self._swap:
            return tuple(self._notes)

    @property
    def in_memory(self) -> bool:
        return self._connections.path is None

    def note(self, sentence: str) -> None:
        """Keeps a sentence for the surfaces, once."""
        with self._swap:
            if sentence not in self._notes:
                self._notes = [*self._notes, sentence][-_MOST_NOTES:]

    def read(self, operation: Operation[T]) -> T:
        """The answer of a function to one state of the database; it may be called again."""
        return self._run(operation, write=False)

    def write(self, operation: Operation[T]) -> T:
        """The same within a transaction that others see as a whole or not at all."""
        return self._run(operation, write=True)

    def close(self) -> None:
        with self._swap:
            self._connections.close()

    def _run(self, operation: Operation[T], write: bool) -> T:
        for _ in range(_ATTEMPTS):
            connections = self._current()
            try:
                with connections.write() if write else connections.read() as connection:
                    return operation(connection)
            except CancelledError:
                if self._connections is connections:
                    raise
            except UnicodeDecodeError as error:  # even the name in SQLite's own message is broken
                self._survive(sqlite3.DatabaseError(str(error)), connections)
            except sqlite3.Error as error:
                self._survive(error, connections)
        raise LoradexError(
            "The catalog", "its index fails again and again", "",
            "Look at the log, and at the disk that it lies on.",
        )

    def _current(self) -> Connections:
        """The connections, after a look at whether their file is still the one at the path."""
        connections = self._connections
        if connections.path is None or not self._steady:
            return connections
        if recover.identity(connections.path) == self._identity:
            return connections
        with self._swap:
            if self._connections is connections and not connections.closed:
                self._reopen()
        return self._connections

    def _reopen(self) -> None:
        before, rebuilt = self._name, self.rebuilt
        self._replace("")
        if self._name == before:
            # Some network drives give a file new numbers: it is the same index all the same.
            self._steady, self.rebuilt = False, rebuilt
        else:
            self.note("The index was removed or replaced by another program.")

    def _survive(self, error: sqlite3.Error, connections: Connections) -> None:
        with self._swap:
            if self._connections is not connections:
                return  # another thread was here first
            if is_busy(error):
                raise LoradexError(
                    "The catalog", "another program holds its index", "",
                    "Close other programs that use it, or try again.", "busy",
                ) from error
            if connections.path is None or not isinstance(error, sqlite3.DatabaseError):
                raise error
            if recover.no_room(error):
                self._move_to_memory(error)
            elif recover.is_damage(error, connections.path):
                log.warning("The index %s is broken: %s", self.path, error)
                self._replace("", broken=error)
            else:
                raise LoradexError(
                    "The catalog", f"its index refused a request: {error}", "",
                    "This is a fault of Loradex; please report it.",
                ) from error

    def _replace(self, note: str, broken: sqlite3.Error | None = None) -> None:
        self._connections.close()
        path = self._connections.path
        if broken is not None and path is not None and recover.identity(path) == self._identity:
            try:
                note = recover.put_away(path, broken)
            except OSError as error:  # Windows: another program has it open
                note = f"The index is broken and cannot be set aside: {error.strerror or error}."
                self._connections = recover.in_memory(self._prepare)
        if self._connections.closed:
            self._connections = self._open()
        self._identity = recover.identity(self._connections.path)
        self._name = recover.name_of(self._connections)
        self.rebuilt += 1
        if note:
            self.note(note)

    def _open(self) -> Connections:
        connections, notes = recover.open_database(self.path, self._prepare)
        for sentence in notes:
            self.note(sentence)
        return connections

    def _move_to_memory(self, error: sqlite3.Error) -> None:
        """What can be read of the file goes on in memory: a full disk must not end a session."""
        log.warning("The index %s cannot be written: %s", self.path, error)
        path = self._connections.path
        assert path is not None
        self._connections.close()
        memory = Connections(None)
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file:
                memory.load(file)
        except sqlite3.Error:
            memory.close()
            memory = recover.in_memory(self._prepare)
            self.rebuilt += 1
        self._connections = memory
        self._identity = None
        self.note(f"The index can no longer be written ({error}), so it goes on in memory only; "
                  "what you change is still exported where that is possible.")
