"""The thread of a watcher: waits for events, looks where there are none, and reports in batches."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from loradex.catalog.disk.arming import Arming, Plan
from loradex.catalog.disk.polling import Poller
from loradex.catalog.disk.settle import Settler
from loradex.errors import CancelledError, LoradexError

log = logging.getLogger(__name__)

OnPaths = Callable[[Collection[Path]], None]

_BURST = 2000
"""So many events at once may have been more than the system's queue holds: look at everything."""

_TICK = 0.05
"""Looks at waiting files are at least so far apart, so that one pass serves many of them."""

_RETRY = 5.0


@dataclass(frozen=True)
class WatchStatus:
    """How changes are noticed; `reason` is a sentence for people."""

    mode: Literal["native", "polling", "off"]
    reason: str
    roots: tuple[Path, ...] = ()
    polled: tuple[Path, ...] = ()
    """Those of the roots that are looked at again and again."""
    offline: tuple[Path, ...] = ()
    """Those that are away now; they are noticed when they come back."""


@dataclass(frozen=True)
class Timing:
    """Seconds between looks."""

    poll: float = 3.0
    """At everything, where the system tells of no changes; slower where a look takes long."""
    check: float = 1.0
    """At whether roots and linked folders are where they were."""
    round: float = 120.0
    """At everything, in case that an event was lost."""


class WatchLoop:
    """One run of a watcher, from its start to its stop."""

    def __init__(
        self, roots: Sequence[Path], on_paths: OnPaths, timing: Timing, polling: str,
        settler: Settler,
    ) -> None:
        self.stopping = threading.Event()
        self.status = WatchStatus("off", "It is about to start.", tuple(roots))
        self._roots = tuple(roots)
        self._on_paths = on_paths
        self._timing = timing
        self._polling = polling
        self._settler = settler
        self._wake = threading.Event()
        self._doubt = False
        self._arming: Arming | None = None
        self._poller: Poller | None = None
        self._folders: set[Path] = set()
        self._events = 0
        self._next_check = self._next_poll = self._next_round = 0.0

    def end(self) -> None:
        self.stopping.set()
        self._wake.set()

    def run(self) -> None:
        reason = "It ended by an error; the log says which."
        try:
            self._arm()
            while not self.stopping.is_set():
                self._turn()
                self._wake.wait(self._pause())
                self._wake.clear()
                self.stopping.wait(_TICK)
            reason = "It was stopped."
        except CancelledError:
            reason = "It was stopped."
        finally:
            if self._arming is not None:
                self._arming.take_down()
            self.status = WatchStatus("off", reason, self._roots)

    def _arm(self) -> None:
        """Watches everything anew, and has all of it looked at: nothing told of it until now."""
        if self._arming is not None:
            self._arming.take_down()
        self._doubt = False
        self._arming = Arming(self._roots, self._event, self._polling, self.stopping.is_set)
        polled = self._arming.plan.polled
        self._poller = Poller(polled, self._timing.poll) if polled else None
        self._folders.update(self._roots)
        now = time.monotonic()
        self._next_check, self._next_poll = now + self._timing.check, now
        self._next_round = now + self._timing.round
        self.status = _status(self._arming.plan, self._roots, self._timing.poll)

    def _turn(self) -> None:
        now = time.monotonic()
        if now >= self._next_check:
            self._next_check = now + self._timing.check
            self._check()
        if self._poller is not None and now >= self._next_poll:
            self._poll(self._poller)
        if now >= self._next_round:
            self._folders.update(self._roots)
            self._next_round, self._doubt = now + self._timing.round, True
        batch = self._settler.tick()
        if self._settler.due() is None:
            if self._events > _BURST:
                self._folders.update(self._roots)
            self._events = 0
        self._report(batch)

    def _pause(self) -> float:
        times = [self._next_check, self._next_round]
        if self._poller is not None:
            times.append(self._next_poll)
        pause = min(times) - time.monotonic()
        due = self._settler.due()
        return max(0.0, pause if due is None else min(pause, due))

    def _check(self) -> None:
        """Whether what is watched is still what should be."""
        assert self._arming is not None
        doubt, self._doubt = self._doubt, False
        if not self._arming.still_right(self.stopping.is_set, doubt):
            self._arm()

    def _poll(self, poller: Poller) -> None:
        changed, roots = poller.look(self.stopping.is_set)
        for path in changed:
            self._settler.note(path)
        self._folders.update(roots)
        self._next_poll = time.monotonic() + poller.pause

    def _event(self, path: str, is_folder: bool) -> None:
        """Called on watchdog's threads."""
        if self._is_hidden(path):
            return
        self._events += 1
        if is_folder or os.path.islink(path):  # noqa: PTH114 - paths are text here
            self._doubt = True
        if self._settler.note(path):
            self._wake.set()

    def _is_hidden(self, path: str) -> bool:
        folders = self._arming.plan.folders if self._arming is not None else ()
        for folder in folders:
            if path.startswith(folder):
                return any(part.startswith(".") for part in Path(path[len(folder) :]).parts)
        return False

    def _report(self, batch: Collection[Path]) -> None:
        paths = {*batch, *self._folders}
        if not paths:
            return
        self._folders.clear()
        try:
            self._on_paths(frozenset(paths))
        except (LoradexError, OSError, sqlite3.Error):
            log.exception("What changed could not be taken in; everything is looked at soon")
            self._next_round = min(self._next_round, time.monotonic() + _RETRY)


def _status(plan: Plan, roots: tuple[Path, ...], seconds: float) -> WatchStatus:
    if plan.polled:
        mode: Literal["native", "polling"] = "polling"
        reason = f"{'; '.join(plan.reasons)}; so these folders are looked at every {seconds:g} s"
    else:
        mode, reason = "native", "the system tells of every change"
    away = [f"{root} is offline" for root in plan.offline]
    sentence = "; ".join([reason, *away]) + "."
    return WatchStatus(mode, sentence[0].upper() + sentence[1:], roots, plan.polled, plan.offline)
