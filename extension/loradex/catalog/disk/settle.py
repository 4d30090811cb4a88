"""Waits until files of which something was seen have come to rest, and are whole."""

from __future__ import annotations

import os
import re
import stat as modes
import threading
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from loradex.catalog.disk.walk import Walk, owners_of
from loradex.files.header import LENGTH_BYTES, MAX_HEADER_BYTES, read_head
from loradex.files.sidecar_names import MODEL_SUFFIXES
from loradex.files.unfinished import CONTROL_SUFFIXES, finished_name, is_unfinished

REST = 0.3
"""Seconds between two looks that must be equal."""

PATIENCE = 3.0
"""Seconds without growth after which a file that is not whole is reported as it is."""

GATHER = 0.5
"""Seconds that a path which has come to rest waits for others of the same burst."""

_SLOW_REST = 1.0
"""A pickle does not say how long it will be, so it rests longer."""

_ENDS = re.compile(rb'"data_offsets"\s*:\s*\[\s*\d+\s*,\s*(\d+)\s*\]')

Kind = Literal["file", "folder", "nothing"]


class Look(NamedTuple):
    """What a path is at one moment; two equal ones mean that it rests."""

    kind: Kind
    size: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    inode: int = 0


@dataclass
class _Waiting:
    next_look: float
    last: Look | None = None
    grown: float = 0.0
    """When it was last seen to change."""
    seen: bool = True
    """Whether there was an event since the last look."""
    patient: bool = False
    """Whether it rests already, and is waited for because it is not whole."""
    opened: bool = False
    """Whether a folder's own files are waited for."""


class Settler:
    """Collects paths and gives each back once, some of them together, when nothing changes there.

    A folder stands for the files in it: each rests by itself, and the folder after the last.
    `note` may be called from any thread; `tick` is called by one, as soon as `due` says.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        look: Callable[[str], Look] | None = None,
        whole: Callable[[str], bool] | None = None,
        within: Callable[[str], Iterable[str]] | None = None,
    ) -> None:
        self._clock = clock
        self._look = look or look_at
        self._whole = whole or is_whole
        self._within = within or files_within
        self._lock = threading.Lock()
        self._waiting: dict[str, _Waiting] = {}
        self._ready: dict[str, float] = {}

    def note(self, path: str) -> bool:
        """Something was seen at this path; returns whether it can matter."""
        wanted = _meant(path)
        if not wanted:
            return False
        now = self._clock()
        with self._lock:
            self._ready.pop(wanted, None)
            waiting = self._waiting.setdefault(wanted, _Waiting(now))
            waiting.seen, waiting.opened = True, False
            waiting.next_look = min(waiting.next_look, now + REST)
        return True

    def due(self) -> float | None:
        """Seconds until the next `tick` can do anything; None while nothing waits."""
        with self._lock:
            times = [waiting.next_look for waiting in self._waiting.values()]
            times += [since + GATHER for since in self._ready.values()]
        return max(0.0, min(times) - self._clock()) if times else None

    def tick(self) -> frozenset[Path]:
        """The paths that have come to rest, when no other is about to."""
        now = self._clock()
        with self._lock:
            due = [(path, each) for path, each in self._waiting.items() if each.next_look <= now]
        for path, waiting in due:
            self._step(path, waiting, now)
        return self._batch(now)

    def _step(self, path: str, waiting: _Waiting, now: float) -> None:
        with self._lock:  # before the look, so that no event after it is missed
            seen, waiting.seen = waiting.seen, False
        look = self._look(path)
        if look.kind == "file" and not _matters(path):
            self._drop(path)
            return
        changed = look != waiting.last
        if changed:
            waiting.last, waiting.grown, waiting.opened = look, now, False
        starved = now - waiting.grown > PATIENCE
        waiting.next_look = now + _rest(path, look)
        waiting.patient = not changed and (not seen or starved)
        if waiting.patient and self._is_whole(path, waiting, starved):
            self._done(path, waiting, now)

    def _is_whole(self, path: str, waiting: _Waiting, starved: bool) -> bool:
        assert waiting.last is not None
        if waiting.last.kind == "file":
            return starved or self._whole(path)
        if waiting.last.kind == "nothing":
            return True
        if not waiting.opened:
            waiting.opened = True
            self._open(self._within(path))
        inside = os.path.join(path, "")  # noqa: PTH118 - paths are text here
        with self._lock:
            return not any(other.startswith(inside) for other in self._waiting)

    def _open(self, files: Iterable[str]) -> None:
        now = self._clock()
        with self._lock:
            for file in files:
                if file not in self._ready:
                    self._waiting.setdefault(file, _Waiting(now))

    def _drop(self, path: str) -> None:
        with self._lock:
            self._waiting.pop(path, None)

    def _done(self, path: str, waiting: _Waiting, now: float) -> None:
        with self._lock:
            if not waiting.seen:
                self._waiting.pop(path, None)
                self._ready[path] = now

    def _batch(self, now: float) -> frozenset[Path]:
        with self._lock:
            if not self._ready:
                return frozenset()
            coming = any(not each.patient for each in self._waiting.values())
            if coming and now - min(self._ready.values()) < GATHER:
                return frozenset()
            batch = frozenset(map(Path, self._ready))
            self._ready.clear()
        return batch


def look_at(path: str) -> Look:
    """What the system says of a path; what it does not tell counts as nothing."""
    try:
        stat = os.stat(path)  # noqa: PTH116 - paths are text here
    except OSError:
        return Look("nothing")
    if modes.S_ISDIR(stat.st_mode):
        return Look("folder")
    return Look("file", stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


def files_within(folder: str) -> Iterator[str]:
    """The models and their sidecars below a folder."""
    for level in Walk([Path(folder)]).levels():
        for entry in (*level.models, *level.others):
            yield entry.path


def is_whole(path: str) -> bool:
    """Whether a model file is as long as it says; true for files that do not say."""
    lower = path.lower()
    try:
        if any(map(os.path.exists, (path + end for end in CONTROL_SUFFIXES))):
            return False
        if lower.endswith(".safetensors"):
            return _is_whole_frame(path)
        if lower.endswith(MODEL_SUFFIXES):
            return not _is_archive(path) or zipfile.is_zipfile(path)
    except OSError:  # gone or locked: the next look tells
        return False
    return True


def _is_whole_frame(path: str) -> bool:
    """Only lengths are compared: waiting mends nothing else.

    A file without a byte, or of zeros, is one whose space was reserved.
    """
    with open(path, "rb") as file:  # noqa: PTH123 - paths are text here
        head, length = read_head(file)
    header = int.from_bytes(head[:LENGTH_BYTES], "little")
    if header > MAX_HEADER_BYTES or head[LENGTH_BYTES : LENGTH_BYTES + 1] not in (b"", b"{", b"\0"):
        return True  # something else under this name
    stop = LENGTH_BYTES + header
    ends = [int(end) for end in _ENDS.findall(head[LENGTH_BYTES:stop])]
    return len(head) >= stop > LENGTH_BYTES and length >= stop + max(ends, default=0)


def _is_archive(path: str) -> bool:
    """A zip's list of members is its end, so that a cut one is no zip."""
    with open(path, "rb") as file:  # noqa: PTH123 - paths are text here
        return file.read(4) == b"PK\x03\x04"


def _meant(path: str) -> str:
    """The path to watch for what was seen at `path`, or '' where nothing comes of it."""
    folder, name = os.path.split(path)
    if name.lower().endswith(CONTROL_SUFFIXES):
        return os.path.join(folder, finished_name(name))  # noqa: PTH118 - paths are text here
    if is_unfinished(name) and not name.lower().endswith(MODEL_SUFFIXES):
        return ""
    return path


def _matters(path: str) -> bool:
    name = os.path.basename(path)  # noqa: PTH119 - paths are text here
    return name.lower().endswith(MODEL_SUFFIXES) or bool(owners_of(name))


def _rest(path: str, look: Look) -> float:
    lower = path.lower()
    unknown = lower.endswith(MODEL_SUFFIXES) and not lower.endswith(".safetensors")
    return _SLOW_REST if unknown and look.kind == "file" else REST
