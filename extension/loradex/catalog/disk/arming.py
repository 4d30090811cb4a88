"""Decides for each root whether the system tells of changes or it must be looked at, and why."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from loradex.catalog.disk.mounts import remote_kind
from loradex.catalog.disk.native import CannotWatchError, NativeWatch, OnEvent, check_room
from loradex.catalog.disk.walk import Walk, text

log = logging.getLogger(__name__)

@dataclass(frozen=True)
class Plan:
    """What is to be watched, and what cannot be."""

    folders: tuple[str, ...] = ()
    """Real folders whose trees hold all files of the roots that are not looked at instead."""
    links: tuple[str, ...] = ()
    """Folders that are seen below a root and lie elsewhere."""
    polled: tuple[Path, ...] = ()
    offline: tuple[Path, ...] = ()
    reasons: tuple[str, ...] = ()
    """One sentence for each kind of root that must be looked at."""


def plan(roots: Sequence[Path], polling: str, cancelled: Callable[[], bool]) -> Plan:
    """How to watch the roots; `polling` is the reason to do without the system's events.

    Raises:
        CancelledError: `cancelled` returned true.
    """
    offline = tuple(root for root in roots if not os.path.isdir(root))  # noqa: PTH112
    there = [root for root in roots if root not in offline]
    if polling:
        return Plan((), (), tuple(there), offline, (polling,))
    kinds = {root: kind for root in there if (kind := remote_kind(root))}
    walk = Walk([root for root in there if root not in kinds], cancelled)
    for _ in walk.levels():
        pass
    linked = [folder for folder in walk.folders if folder.linked]
    for folder in linked:
        if folder.root not in kinds and (kind := remote_kind(Path(folder.real))):
            kinds[folder.root] = kind
    reals = {folder.real for folder in walk.folders if folder.root not in kinds
             and (folder.linked or not folder.below)}
    return Plan(
        _cover(reals), tuple(folder.path for folder in linked), tuple(kinds), offline,
        tuple(f"{text(str(root))} is on a network file system ({kind}), which tells of no changes"
              for root, kind in kinds.items()),
    )


class Arming:
    """The system's watches for some roots, until they are taken down.

    Raises:
        CancelledError: `cancelled` returned true.
    """

    def __init__(
        self, roots: Sequence[Path], on_event: OnEvent, polling: str,
        cancelled: Callable[[], bool],
    ) -> None:
        self._roots = tuple(roots)
        self._native: NativeWatch | None = None
        self.plan = plan(roots, polling, cancelled)
        self._sign = self._leads()
        if self.plan.folders:
            self._watch(on_event, cancelled)

    def still_right(self, cancelled: Callable[[], bool], doubt: bool) -> bool:
        """Whether everything is still watched; `doubt` if folders or links were made meanwhile."""
        if self._leads() != self._sign or not (self._native is None or self._native.alive):
            return False
        if not doubt or self._native is None:
            return True
        try:
            check_room(self.plan.folders)
        except CannotWatchError:
            return False
        return plan(self._roots, "", cancelled) == self.plan

    def take_down(self) -> None:
        native, self._native = self._native, None
        if native is not None:
            native.stop()

    def _watch(self, on_event: OnEvent, cancelled: Callable[[], bool]) -> None:
        try:
            self._native = NativeWatch(self.plan.folders, on_event)
        except CannotWatchError as error:
            log.warning("%s", error)
            reason = f"{error.found}. {error.next_step}".strip().rstrip(".")
            self.plan = plan(self._roots, reason, cancelled)

    def _leads(self) -> tuple[tuple[str, int, int], ...]:
        """Where roots and links lead now: differs when one is swapped, goes away or comes back."""
        return tuple(_lead(path) for path in (*map(os.fspath, self._roots), *self.plan.links))


def _cover(reals: Iterable[str]) -> tuple[str, ...]:
    """The topmost of some folders: a tree is watched with all that lies in it."""
    top: list[str] = []
    for real in sorted(reals, key=lambda each: (len(each), each)):
        if not any(real.startswith(os.path.join(above, "")) for above in top):  # noqa: PTH118
            top.append(real)
    return tuple(sorted(top))


def _lead(path: str) -> tuple[str, int, int]:
    try:
        stat = os.stat(path)  # noqa: PTH116 - paths are text here
    except OSError:
        return "", 0, 0
    return os.path.realpath(path), stat.st_dev, stat.st_ino
