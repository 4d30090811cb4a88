"""Reads many files in a bounded pool, portion by portion, so that a list can fill meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from loradex.catalog.disk.scan import Found, Place, ScannedFile
from loradex.catalog.index.updates import Put
from loradex.catalog.network_file import NetworkFile
from loradex.catalog.records import FileFacts, Summary
from loradex.errors import CancelledError

_PORTION = 256
_SLICE = 16
_INLINE = 4
_MOST_THREADS = 4
_BUSY = 0.3
"""Share of its time that a reading thread works rather than waits."""

_TICK_NS = 2_000_000_000
"""Two writes within one tick of a disk's clock leave the same times; 2 s on FAT, the coarsest."""

_AGAIN = "~"


class Inspected(Protocol):
    """What one look into a file gives."""

    @property
    def facts(self) -> FileFacts: ...
    @property
    def summary(self) -> Summary: ...


Inspect = Callable[[NetworkFile, Collection[str]], Inspected]


@dataclass(frozen=True)
class Content:
    """A file as it was read, ready to be stored.

    What was written to just before it was read may be written to again without a trace in its
    times, and what could not be read may be readable soon. Its stamp is marked then, so that the
    next look reads it once more.
    """

    scanned: ScannedFile
    facts: FileFacts
    summary: Summary
    again: bool = False

    @property
    def fingerprint(self) -> str:
        return self.facts.fingerprint

    @property
    def companions_stamp(self) -> str:
        return (_AGAIN if self.again else "") + self.scanned.companions_stamp

    def put(self, key: int | None) -> Put:
        return Put(self.scanned.file, self.facts, self.summary, self.companions_stamp, key)


_Items = Sequence[tuple[Place, Found]]
_Read = list[tuple[Place, Content | None]]


class Inspections:
    """Runs `inspect` over many files; a few are read at once, more by a pool of its own."""

    def __init__(
        self,
        inspect: Inspect,
        cancelled: Callable[[], bool] = lambda: False,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._inspect = inspect
        self._cancelled = cancelled
        self._on_progress = on_progress
        self._pools: list[ThreadPoolExecutor] = []
        self._worked_s = self._took_s = 0.0
        self._done = self._total = 0

    def close(self) -> None:
        while self._pools:
            self._pools.pop().shutdown(cancel_futures=True)

    def expect(self, total: int) -> None:
        """How many files will be read, for the progress."""
        self._total = total

    def read(self, files: Mapping[Place, Found]) -> Iterator[dict[Place, Content]]:
        """The contents of the files, a portion at a time; files that are gone are left out.

        While the caller stores one portion the next is being read.

        Raises:
            CancelledError: `cancelled` returned true; it is asked before each file.
        """
        items = iter(files.items())
        portion = list(islice(items, _PORTION))
        if len(portion) <= _INLINE:
            if portion:
                yield self._told(self._some(portion))
            return
        ahead = self._submit(portion)
        while ahead:
            current, ahead = ahead, self._submit(list(islice(items, _PORTION)))
            yield self._told([each for future in current for each in future.result()])

    def _submit(self, portion: _Items) -> list[Future[_Read]]:
        pool = self._pool()
        slices = [portion[start : start + _SLICE] for start in range(0, len(portion), _SLICE)]
        return [pool.submit(self._some, each) for each in slices]

    def _pool(self) -> ThreadPoolExecutor:
        """One thread at first; another pool of more beside it where that one mostly waits."""
        if not self._pools:
            self._pools.append(ThreadPoolExecutor(1, "loradex-read"))
        elif len(self._pools) == 1 and self._waits():
            self._pools.append(ThreadPoolExecutor(_MOST_THREADS, "loradex-read"))
        return self._pools[-1]

    def _waits(self) -> bool:
        """Whether reading is mostly waiting for a disk or a network.

        Then several threads wait together. Where the files are in memory already, a second thread
        only takes the interpreter lock from the first.
        """
        return self._worked_s < _BUSY * self._took_s

    def _some(self, items: _Items) -> _Read:
        began, worked = time.perf_counter(), time.thread_time()
        read = [(place, self._one(place[1], found)) for place, found in items]
        self._worked_s += time.thread_time() - worked
        self._took_s += time.perf_counter() - began
        return read

    def _one(self, id_: str, found: Found) -> Content | None:
        if self._cancelled():
            raise CancelledError(found.name, "reading the files was stopped")
        scanned, now = found.scanned(id_), time.time_ns()
        file = scanned.file
        seen = self._inspect(file, (file.path.name, *scanned.companions))
        if not seen.facts.fingerprint and not is_there(file.path):
            return None
        recent = any(abs(now - then) < _TICK_NS for then in (file.mtime_ns, file.ctime_ns))
        again = recent or not seen.facts.fingerprint
        return Content(scanned, seen.facts, seen.summary, again)

    def _told(self, read: _Read) -> dict[Place, Content]:
        self._done += len(read)
        self._total = max(self._done, self._total)
        if self._on_progress is not None:
            self._on_progress(self._done, self._total)
        return {place: content for place, content in read if content is not None}


def is_there(path: Path) -> bool:
    """Whether anything has that name; what the system does not tell counts as there."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
