"""Hashes files in the background: what is on screen first, and where the last run stopped."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

from loradex.catalog.index.hash_rows import HashProgress
from loradex.catalog.network_file import NetworkFile, Stamp
from loradex.catalog.records import Entry
from loradex.errors import CancelledError, FileError, LoradexError
from loradex.files.hashes import FileHashes, hash_file

log = logging.getLogger(__name__)

_MAX_THREADS = 2
_TAKEN_AT_ONCE = 32
_MAX_PREFERRED = 1000
# New files are looked for at this interval even when nobody says that there are any.
_LOOK_EVERY_S = 30.0
_MOST_NOTES = 20

OnHashed = Callable[[int, FileHashes], None]


class Hashable(Protocol):
    """What the hasher needs of a store."""

    def unhashed(self, prefer: Sequence[int] = (), limit: int = 100) -> tuple[Entry, ...]: ...
    def set_hashes(self, key: int, stamp: Stamp, hashes: FileHashes) -> bool: ...
    def set_unreadable(self, key: int, stamp: Stamp) -> None: ...
    def retry_unreadable(self) -> None: ...
    def hash_progress(self) -> HashProgress: ...


class Hasher:
    """Threads that compute what the store has no hashes of; the store knows what is left.

    One pass over a file gives both of its hashes. They are stored only if the file is still the
    one that the store knows; one that changes meanwhile waits until the store knows its new state.
    A file that cannot be read is told in `notes` and left alone until it changes, or until the
    next start. No lock and no transaction is held while a file is read.
    """

    def __init__(
        self, store: Hashable, threads: int = 1, on_hashed: OnHashed | None = None,
        hash_one: Callable[[Path, Callable[[], bool]], FileHashes] = hash_file,
    ) -> None:
        self._store = store
        self._count = min(max(threads, 1), _MAX_THREADS)
        self._on_hashed = on_hashed
        self._hash_one = hash_one
        self._threads: tuple[threading.Thread, ...] = ()
        self._stop = threading.Event()
        self._state = threading.Condition()
        self._paused = False
        self._asked = 0  # counts requests to look again, so that none is missed
        self._queue: deque[Entry] = deque()
        self._busy: dict[int, Stamp] = {}
        self._put_off: dict[int, Stamp] = {}
        self._listing = False  # one thread asks the store what is left
        self._finished: set[int] = set()  # since it asked
        self._preferred: tuple[int, ...] = ()
        self._idle = False
        self._notes: deque[str] = deque(maxlen=_MOST_NOTES)

    def start(self) -> Hasher:
        """Begins, or goes on where an earlier run stopped; a second call does nothing."""
        with self._state:
            if self._threads:
                return self
            self._stop.clear()
            self._store.retry_unreadable()
            self._threads = tuple(
                threading.Thread(target=self._run, name=f"loradex-hash-{number}", daemon=True)
                for number in range(self._count)
            )
            for thread in self._threads:
                thread.start()
        return self

    def stop(self) -> None:
        """Ends within a MiB of reading; a file that is half read is begun again another time."""
        self._stop.set()
        with self._state:
            self._state.notify_all()
            threads, self._threads = self._threads, ()
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join()

    def __enter__(self) -> Hasher:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def pause(self) -> None:
        """Holds on within a MiB of reading, and goes on from there: a generation needs the disk."""
        with self._state:
            self._paused = True

    def resume(self) -> None:
        with self._state:
            self._paused = False
            self._state.notify_all()

    @property
    def paused(self) -> bool:
        return self._paused

    def prefer(self, keys: Sequence[int]) -> None:
        """These first, in this order, once the files that are being read are done."""
        with self._state:
            self._preferred = tuple(keys)[:_MAX_PREFERRED]
            self._look_again()

    def wake(self) -> None:
        """The store may hold new files to hash."""
        with self._state:
            self._look_again()

    def progress(self) -> HashProgress:
        return self._store.hash_progress()

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on the files that could not be read, the last ones."""
        with self._state:
            return tuple(self._notes)

    def wait_idle(self, timeout: float | None = None) -> bool:
        """Waits until nothing is left to hash; False if there still is after that many seconds."""
        with self._state:
            self._look_again()
            return self._state.wait_for(lambda: self._idle or self._stop.is_set(), timeout)

    def _look_again(self) -> None:
        self._queue.clear()
        self._idle = False
        self._asked += 1
        self._state.notify_all()

    def _run(self) -> None:
        while (entry := self._next()) is not None:
            try:
                self._hash(entry)
            except CancelledError:
                return
            except LoradexError:  # the store is out of reach: what it does not know is done again
                log.exception("The hashes of %s could not be kept", entry.file.id)
            finally:
                with self._state:
                    self._busy.pop(entry.key, None)
                    self._finished.add(entry.key)
                    self._state.notify_all()

    def _next(self) -> Entry | None:
        """The next file, or None at the end; waits while there is nothing or while paused."""
        while not self._stop.is_set():
            with self._state:
                if self._paused:
                    self._state.wait()
                    continue
                if self._queue:
                    entry = self._queue.popleft()
                    self._busy[entry.key] = entry.file.stamp
                    return entry
                if self._listing:
                    self._state.wait()
                    continue
                self._listing = True
                self._finished.clear()
                asked, preferred = self._asked, self._preferred
            found: tuple[Entry, ...] = ()
            try:
                found = self._waiting(preferred)
            finally:
                with self._state:
                    self._listing = False
                    self._state.notify_all()
                    self._take(found, asked)
        return None

    def _take(self, found: Sequence[Entry], asked: int) -> None:
        """Puts files into the queue, or waits if there are none."""
        if self._asked != asked or self._queue or self._stop.is_set():
            return
        self._queue.extend(
            entry for entry in found
            if entry.key not in self._busy and entry.key not in self._finished
            and self._put_off.get(entry.key) != entry.file.stamp
        )
        if not self._queue and not any(entry.key in self._finished for entry in found):
            self._idle = not self._busy
            self._state.notify_all()
            self._state.wait(_LOOK_EVERY_S if not self._busy else None)

    def _waiting(self, preferred: Sequence[int]) -> tuple[Entry, ...]:
        """Those put off stay in the store's list, so as many more are asked for."""
        try:
            limit = _TAKEN_AT_ONCE + len(self._put_off) + len(self._busy)
            return self._store.unhashed(preferred, limit)
        except CancelledError:
            self._stop.set()
            return ()
        except LoradexError:
            log.exception("The files to hash could not be listed")
            return ()

    def _hash(self, entry: Entry) -> None:
        file = entry.file
        try:
            if _stamp_now(file) != file.stamp:
                self._put_off[entry.key] = file.stamp  # the store will know its new state soon
                return
            hashes = self._hash_one(file.path, self._cancelled)
            if _stamp_now(file) == file.stamp and self._store.set_hashes(
                entry.key, file.stamp, hashes
            ):
                self._tell(entry.key, hashes)
            else:
                self._put_off[entry.key] = file.stamp
        except (FileError, OSError) as error:
            self._leave_alone(entry, error)

    def _leave_alone(self, entry: Entry, error: Exception) -> None:
        if isinstance(error, FileNotFoundError) or getattr(error, "code", "") == "changed":
            self._put_off[entry.key] = entry.file.stamp
            return
        log.warning("%s is not hashed: %s", entry.file.id, error)
        self._store.set_unreadable(entry.key, entry.file.stamp)
        with self._state:
            self._notes.append(f"{entry.file.id} is not hashed: {error}")

    def _tell(self, key: int, hashes: FileHashes) -> None:
        if self._on_hashed is None:
            return
        try:
            self._on_hashed(key, hashes)
        except Exception:  # a listener's failure must not end the hashing
            log.exception("A listener of the hashing failed")

    def _cancelled(self) -> bool:
        """Asked once per MiB of a file: the place where a pause holds on."""
        while self._paused and not self._stop.is_set():
            with self._state:
                if self._paused:
                    self._state.wait()
        return self._stop.is_set()


def _stamp_now(file: NetworkFile) -> Stamp:
    """The file's stamp by the same calls as the scan's.

    Raises:
        OSError: it is gone, or cannot be reached.
    """
    stat = file.path.stat()
    inode = stat.st_ino if file.inode else 0
    ctime = stat.st_ctime_ns if file.ctime_ns else 0
    return stat.st_size, stat.st_mtime_ns, inode, ctime
