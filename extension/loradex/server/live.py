"""What changes while pages look on: a numbered list of events, and the index as one answer."""

from __future__ import annotations

import gzip
import hashlib
import json
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from loradex.catalog.catalog import Catalog
from loradex.catalog.records import Change
from loradex.server.columns import columns_of, listed
from loradex.server.service import Service

KEPT_EVENTS = 512
MOST_ROWS = 1000
"""A page that is told of more rows than these reads the whole index again instead."""
_LEVEL = 5
_PROGRESS_EVERY_S = 1.0


class Event(NamedTuple):
    """One thing that pages are told; `data` is JSON."""

    number: int
    kind: str
    data: str


class Packed(NamedTuple):
    """The index as it is sent, with its ETag."""

    body: bytes
    tag: str


class Live:
    """Follows a service's catalog. It has no thread: whoever listens calls `flush` and `look`.

    Events are numbered from a beginning (`origin`) that differs after each start, so that a page
    of an earlier server is told to read everything again.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lock = threading.Lock()  # of all that follows; never held while something is read
        self._origin = secrets.token_hex(4)
        self._number = 0
        self._events: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self._changed: dict[int, None] = {}
        self._hashed = False
        self._listeners: tuple[Callable[[], None], ...] = ()
        self._catalog: Catalog | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self._stale = True
        self._work = threading.RLock()  # one thread at a time makes events or the index
        self._packed: tuple[str, Packed] | None = None
        self._progress_at = 0.0
        self._judging = threading.Lock()
        self._judged = ""
        self._seen: dict[str, str] = {}

    # -- who listens

    def join(self, wake: Callable[[], None]) -> Callable[[], None]:
        """`wake` is called, on any thread, when there may be events; the result ends that."""
        with self._lock:
            self._listeners = (*self._listeners, wake)
        return lambda: self._leave(wake)

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    @property
    def marker(self) -> str:
        """Where the list of events ends now."""
        with self._lock:
            return f"{self._origin}-{self._number}"

    def after(self, marker: str) -> tuple[list[Event], str] | None:
        """The events after a marker and the new marker; None where they are no longer kept."""
        origin, _, number = marker.partition("-")
        with self._lock:
            here = f"{self._origin}-{self._number}"
            if origin != self._origin or not (number.isascii() and number.isdigit()):
                return None
            first = self._number - len(self._events)
            if not first <= int(number[:18]) <= self._number:
                return None
            return [one for one in self._events if one.number > int(number)], here

    # -- what happened

    def flush(self) -> None:
        """Turns what the catalog told since the last time into events."""
        with self._work:
            catalog = self._followed()
            with self._lock:
                keys, self._changed = list(self._changed), {}
                progress = self._hashed and time.monotonic() - self._progress_at > _PROGRESS_EVERY_S
                self._hashed = self._hashed and not progress
            if keys:
                self._tell_rows(catalog, keys)
            if progress:
                self._progress_at = time.monotonic()
                self.tell("hashing", hashing_row(catalog))

    def look(self) -> None:
        """Asks the host what tells nobody: another checkpoint, another report."""
        facts, applied = self._service.checkpoint(), self._service.applied()
        name = None if facts is None else {
            "name": facts.name, "title": facts.title, "family": facts.family or None}
        self._tell_new("checkpoint", {"checkpoint": name})
        self._tell_new("applied", dict(applied))
        if facts is None or not self._judging.acquire(blocking=False):
            return
        try:
            catalog = self._followed()
            identity = catalog.id_of(facts)
            if catalog.store.profiles(identity):
                catalog.judge(facts)
                self._stale = True
            if self._judged != identity:
                self._judged = identity
                self.tell("verdicts", {"checkpoint": name})
        finally:
            self._judging.release()

    def tell(self, kind: str, data: Mapping[str, Any]) -> None:
        """Adds an event and wakes everyone."""
        text = json.dumps(data, separators=(",", ":"))
        with self._lock:
            self._number += 1
            self._events.append(Event(self._number, kind, text))
        self._wake()

    # -- all of it

    def index(self) -> Packed:
        """The whole light index, gzipped; made once for each state of catalog and checkpoint."""
        with self._work:
            self.flush()
            catalog, facts = self._followed(), self._service.checkpoint()
            identity = "" if facts is None else catalog.id_of(facts)
            if self._packed is None or self._stale or self._packed[0] != identity:
                self._stale = False
                self._packed = identity, _pack(catalog, identity)
            return self._packed[1]

    # -- parts of these

    def _followed(self) -> Catalog:
        """The service's catalog, which is another one after the host began its UI anew."""
        catalog = self._service.catalog()
        with self._work:
            if catalog is not self._catalog:
                if self._unsubscribe is not None:
                    self._unsubscribe()
                with self._lock:
                    self._origin, self._stale = secrets.token_hex(4), True
                    self._events.clear()
                    self._changed.clear()
                self._catalog, self._unsubscribe = catalog, catalog.subscribe(self._hear)
        return catalog

    def _hear(self, change: Change) -> None:
        """On the thread that changed something, so as little as possible."""
        with self._lock:
            if change.kind == "hashed":
                self._hashed = True
            else:
                self._changed[change.key] = None
                self._stale = True
        self._wake()

    def _tell_rows(self, catalog: Catalog, keys: list[int]) -> None:
        if len(keys) > MOST_ROWS:
            self.tell("reset", {})
            return
        facts = self._service.checkpoint()
        # Files of a kind that was not there before are judged now; the others are already.
        identity = "" if facts is None else catalog.judge(facts)
        rows = listed(catalog.store.light(keys, identity), catalog)
        there = {row.key for row in rows}
        gone = [key for key in keys if key not in there]
        self.tell("networks", {"columns": columns_of(rows, catalog), "gone": gone})

    def _tell_new(self, kind: str, data: Mapping[str, Any]) -> None:
        """Tells what differs from the last time; the first look tells nothing."""
        text = json.dumps(data, sort_keys=True)
        with self._lock:
            before = self._seen.get(kind)
            self._seen[kind] = text
        if before not in (None, text):
            self.tell(kind, data)

    def _leave(self, wake: Callable[[], None]) -> None:
        with self._lock:
            self._listeners = tuple(one for one in self._listeners if one is not wake)

    def _wake(self) -> None:
        for wake in self._listeners:
            wake()


def hashing_row(catalog: Catalog) -> dict[str, Any]:
    """How far the hashing is, as plain data."""
    return {**catalog.hasher.progress()._asdict(), "paused": catalog.hasher.paused}


def _pack(catalog: Catalog, checkpoint: str) -> Packed:
    rows = listed(catalog.store.light(None, checkpoint), catalog)
    content = {
        "rows": len(rows), "roots": [str(root) for root in catalog.roots],
        "columns": columns_of(rows, catalog),
    }
    # Escaped, since names may hold halves of surrogate pairs, which UTF-8 has no bytes for.
    body = json.dumps(content, separators=(",", ":")).encode()
    tag = hashlib.blake2b(body, digest_size=16).hexdigest()
    return Packed(gzip.compress(body, _LEVEL, mtime=0), f'"{tag}"')
