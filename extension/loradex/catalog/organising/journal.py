"""Remembers every operation in one file: the intent before it acts, the outcome after."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from loradex.catalog.organising.journal_lines import from_begin, outcome, to_begin, with_outcome
from loradex.catalog.organising.journal_lock import FileLock
from loradex.catalog.organising.operations import Operation, reason
from loradex.errors import InputError

log = logging.getLogger(__name__)

_KEPT = 1000
_SLACK = 100
"""Trimming rewrites the file, so it waits until there is something to gain."""


class Journal:
    """A file in the catalog's home, one JSON object per line; safe between processes.

    Without a path it lives in memory: undo works until the program ends.

    An operation that has a beginning and no outcome was cut off by a crash. A line that cannot be
    read is passed over: at worst one operation cannot be undone.
    """

    def __init__(self, path: Path | None, kept: int = _KEPT) -> None:
        self.path = path
        self._kept = kept
        self._memory: list[bytes] = []
        self._found: dict[str, tuple[Operation, bool]] = {}
        self._seen = (-1, -1)
        self._offset = 0
        self._reading = threading.RLock()
        self._lock = FileLock(None if path is None else path.with_suffix(".lock"))

    @contextmanager
    def working(self) -> Iterator[None]:
        """Held while an operation runs: only one at a time, in all processes.

        Raises:
            InputError: another program is organising these folders and does not end.
        """
        try:
            if self.path is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._lock.held():
                yield
        except TimeoutError:
            raise InputError(
                "The library", "another program is moving files in it", "",
                "Wait until it is ready and try again.",
            ) from None  # fmt: skip

    def begin(self, operation: Operation) -> None:
        """Writes the intent; it is on the disk when this returns.

        Raises:
            InputError: it cannot be written, so nothing may be done.
        """
        try:
            self._append(to_begin(operation))
        except OSError as error:
            raise InputError("The journal", reason(error, self.path or ""), "",
                             "Nothing was changed.") from None  # fmt: skip

    def end(self, operation: Operation) -> None:
        """Writes the outcome. Where it cannot, the next open finds the operation unfinished."""
        try:
            self._append(outcome(operation))
            with self._reading:
                self._trim()
        except OSError as error:
            log.warning("The journal was not written: %s", reason(error, self.path or ""))

    def forget(self, operation: Operation) -> None:
        """Takes a beginning back: it was refused, or there was nothing to do."""
        with suppress(OSError):
            self._append({"event": "forget", "id": operation.id})

    def operations(self) -> tuple[Operation, ...]:
        """All that ended, oldest first."""
        return tuple(operation for operation, ended in self._read() if ended)

    def unfinished(self) -> tuple[Operation, ...]:
        """Those that a crash cut off, oldest first. Call it inside `working`, else one that runs
        at this moment in another process is among them."""
        return tuple(operation for operation, ended in self._read() if not ended)

    def _read(self) -> list[tuple[Operation, bool]]:
        with self._reading:
            self._catch_up()
            found = list(self._found.values())
        undone = {op.undoes: op.id for op, ended in found if ended and op.done}
        return [(replace(op, undone_by=undone.get(op.id, "")), ended) for op, ended in found]

    def _catch_up(self) -> None:
        """Reads what was added since; a last line without an end is still being written."""
        text = self._added()
        complete = text[: text.rfind(b"\n") + 1]
        self._offset += len(complete)
        for line in complete.splitlines():
            try:
                _take(self._found, json.loads(line))
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                log.warning("A damaged line of the journal is passed over")

    def _added(self) -> bytes:
        if self.path is None:
            added, self._memory = b"".join(self._memory), []
            return added
        try:
            with self.path.open("rb") as file:
                stat = os.fstat(file.fileno())
                seen = stat.st_dev, stat.st_ino
                if seen != self._seen or stat.st_size < self._offset:  # trimmed, or put anew
                    self._seen, self._offset = seen, 0
                    self._found.clear()
                file.seek(self._offset)
                return file.read()
        except FileNotFoundError:
            self._offset = 0
            self._found.clear()
            return b""

    def _append(self, line: dict[str, Any]) -> None:
        text = _line(line)
        if self.path is None:
            self._memory.append(text)
            return
        with self.path.open("ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # a line that a crash cut off
                    text = b"\n" + text
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def _trim(self) -> None:
        """Keeps the last operations, and all that never ended."""
        self._catch_up()
        if len(self._found) <= self._kept + _SLACK:
            return
        ids = list(self._found)
        old = {id_ for id_ in ids[: -self._kept] if self._found[id_][1]}
        self._found = {id_: self._found[id_] for id_ in ids if id_ not in old}
        if self.path is not None:
            self._rewrite(self.path)

    def _rewrite(self, path: Path) -> None:
        fresh = path.with_suffix(".tmp")
        with fresh.open("wb") as file:
            for operation, ended in self._found.values():
                file.write(_line(to_begin(operation)))
                if ended:
                    file.write(_line(outcome(operation)))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        self._seen = (-1, -1)


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


def _take(found: dict[str, tuple[Operation, bool]], line: dict[str, Any]) -> None:
    id_ = line["id"]
    if line["event"] == "begin":
        found[id_] = from_begin(line), False
    elif line["event"] == "forget":
        found.pop(id_, None)
    elif id_ in found:
        found[id_] = with_outcome(found[id_][0], line), True
