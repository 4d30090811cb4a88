"""Makes the store say what the disk holds: looks, reads what changed, and follows what moved."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from loradex.catalog.disk.identity import Assignment, assign
from loradex.catalog.disk.inspections import Content, Inspect, Inspections, is_there
from loradex.catalog.disk.scan import Found, Listing, Place, list_models
from loradex.catalog.disk.targets import Targets
from loradex.catalog.index.updates import Gone, Known, SetPresence, Update
from loradex.catalog.records import Change
from loradex.errors import CancelledError

log = logging.getLogger(__name__)

BARE_ROWS = 10
"""So many files do not vanish one by one: an empty root that had them is a drive that is away."""

Progress = Callable[[int, int], None]


class Store(Protocol):
    """What reconciling asks of the index."""

    def known(self, roots: Sequence[Path]) -> Mapping[Place, Known]: ...
    def apply(self, updates: Sequence[Update]) -> tuple[Change, ...]: ...
    def gone_or_any_by_fingerprint(
        self, fingerprints: Collection[str]
    ) -> Mapping[str, tuple[Known, ...]]: ...


def reconcile(
    store: Store,
    roots: Sequence[Path],
    inspect: Inspect,
    paths: Collection[Path] | None = None,
    on_progress: Progress | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[Change, ...]:
    """Brings the store up to what lies below `roots`, and returns what changed.

    With `paths` only those files, and all below those folders, are looked at (and whatever turns
    out to have changed places with them); a file that is named itself is read even if its size
    and times are the same, since two writes may fall into one tick of the clock. New files are
    stored in portions while others are still read; `on_progress` is told (done, total).

    One call at a time for one store: the caller holds a lock. Cancelled, it keeps what it has
    stored and the next call finds the rest.
    """
    targets = None if paths is None else Targets(paths)
    inspections = Inspections(inspect, cancelled, on_progress)
    run = _Run(store, roots, targets, inspections)
    try:
        run.look(cancelled)
        run.read()
        run.finish()
    except CancelledError:
        log.info("Reconciling was stopped; the next one finds the rest")
    finally:
        inspections.close()
    return tuple(run.changes)


@dataclass
class _Run:
    """One reconciliation: what was known, what is there, and what was read of it."""

    store: Store
    roots: Sequence[Path]
    targets: Targets | None
    inspections: Inspections
    changes: list[Change] = field(default_factory=list)
    listing: Listing = field(default_factory=Listing)
    known: Mapping[Place, Known] = field(default_factory=dict)
    vanished: dict[Place, Known] = field(default_factory=dict)
    contents: dict[Place, Content] = field(default_factory=dict)
    """What was read and is not stored yet."""
    _kept: set[Place] = field(default_factory=set)
    _strays: dict[Place, Content] = field(default_factory=dict)
    _online: frozenset[str] = frozenset()

    def look(self, cancelled: Callable[[], bool]) -> None:
        """Lists the disk and sorts out what is gone and which roots are away."""
        self.known = self.store.known(self.roots)
        shown = {(row.root, row.presence) for row in self.known.values()}
        self._list(cancelled)
        absent = self._absent()
        away = self._away(absent)
        back = {root for root, presence in shown if presence == "offline"} - away
        if back and self.targets is not None:
            self.targets.add(map(Path, back))
            self._list(cancelled)
            absent = self._absent()
        self._online = frozenset(map(str, self.roots)) - away
        self.vanished = {place: row for place, row in absent.items()
                         if place[0] in self._online and self._covered(row)}
        gone = {root for root, presence in shown if presence == "present"} & away
        self._apply([
            *(SetPresence(root, "offline") for root in sorted(gone)),
            *(SetPresence(root, "present") for root in sorted(back)),
        ])

    def _list(self, cancelled: Callable[[], bool]) -> None:
        wanted = self.targets.wants if self.targets else None
        self.listing = list_models(self.roots, wanted, cancelled)

    def read(self) -> None:
        """Reads what changed, and stores at once whatever no other file can have a say in."""
        known, new = self._candidates()
        if not known and not new:
            return
        self.inspections.expect(len(known) + len(new))
        expected = {row.fingerprint for row in self.vanished.values()}
        for portion in self.inspections.read(known):
            self._keep(portion)
        expected |= {self.known[place].fingerprint for place in self.contents}
        for portion in self.inspections.read(new):
            self._add_new(portion, expected - {""})

    def finish(self) -> None:
        """Gives every content that is left its row; whoever has none any more is gone."""
        if not self.contents and not self.vanished:
            return
        rows = self._rows()
        prints = {place: content.fingerprint for place, content in self.contents.items()}
        assignment = assign(rows, prints)
        self._apply(self._updates(assignment))

    def _absent(self) -> dict[Place, Known]:
        """Rows of which no file was seen."""
        found, names = self.listing.found, self.listing.names
        absent = {place: row for place, row in self.known.items()
                  if place not in found and place not in names and row.presence != "gone"}
        unsure = _Unsure(self.listing.unsure) if absent else None
        return {place: row for place, row in absent.items() if not (unsure and place in unsure)}

    def _away(self, absent: Mapping[Place, Known]) -> set[str]:
        """Roots that are offline: they cannot be listed, or are empty and should not be.

        An empty root that held many files is a mount point without its drive, unless some of the
        files were told by themselves: a drive that goes takes all of them in silence.
        """
        away = {str(root) for root in self.listing.offline}
        for root in self.listing.bare:
            rows = [row for place, row in absent.items() if place[0] == str(root)]
            if len(rows) >= BARE_ROWS and not self._told(rows, root):
                log.warning("Folder %s is empty and held %d files: taken as offline", root,
                            len(rows))
                away.add(str(root))
        return away

    def _told(self, rows: Iterable[Known], root: Path) -> bool:
        targets = self.targets
        return targets is not None and any(targets.cover(row.path, below=root) for row in rows)

    def _covered(self, row: Known) -> bool:
        return self.targets is None or self.targets.cover(row.path)

    def _candidates(self) -> tuple[dict[Place, Found], dict[Place, Found]]:
        """Files to read: those that have a row and look different, and those that have none."""
        known, new = {}, {}
        for place, found in self.listing.found.items():
            row = self.known.get(place)
            if row is None or row.presence == "gone":
                new[place] = found
            elif self._differs(place, found) or self._named(found):
                known[place] = found
        return known, new

    def _differs(self, place: Place, found: Found) -> bool:
        row = self.known.get(place)
        return (row is None or row.stamp != found.stamp
                or row.companions_stamp != found.companions_stamp)

    def _named(self, found: Found) -> bool:
        return self.targets is not None and self.targets.named(found.folder, found.name)

    def _keep(self, portion: Mapping[Place, Content]) -> None:
        """Rule 1: no other file can claim a row whose file still has its content."""
        updates: list[Update] = []
        for place, content in portion.items():
            row = self.known[place]
            if content.fingerprint and content.fingerprint == row.fingerprint:
                self._kept.add(place)
                updates.append(content.put(row.key))
            elif content.fingerprint or content.scanned.file.stamp != row.stamp:
                self.contents[place] = content
        self._apply(updates)

    def _add_new(self, portion: Mapping[Place, Content], expected: Collection[str]) -> None:
        """Rule 4 for contents that no other row can have; the rest waits until all are read."""
        prints = {content.fingerprint for content in portion.values()} - {""}
        others = self.store.gone_or_any_by_fingerprint(prints)
        updates: list[Update] = []
        for place, content in portion.items():
            print_ = content.fingerprint
            if print_ in expected or any(map(self._may_move, others.get(print_, ()))):
                self.contents[place] = content
            else:
                updates.append(content.put(None))
        self._apply(updates)

    def _may_move(self, row: Known) -> bool:
        place = row.root, row.id
        found = self.listing.found.get(place)
        return found is None or (found.stamp != row.stamp and place not in self._kept)

    def _rows(self) -> list[Known]:
        """Every row that the contents may concern; reads what has changed places with them."""
        rows: dict[int, Known] = {row.key: row for row in self.vanished.values()}
        asked: set[str] = set()
        while True:
            for place in self.contents:
                if (row := self.known.get(place)) and row.presence != "gone":
                    rows[row.key] = row
            prints = {content.fingerprint for content in self.contents.values()} - asked - {""}
            if prints:
                asked |= prints
                self._gather(prints, rows)
            elif not self._find_strays(self._lost(rows.values())):
                return list(rows.values())

    def _gather(self, prints: Collection[str], rows: dict[int, Known]) -> None:
        """Adds the free rows of these contents."""
        found = self.store.gone_or_any_by_fingerprint(prints)
        suspects: dict[Place, Found] = {}
        for row in (row for each in found.values() for row in each if row.key not in rows):
            if self._free(row, suspects):
                rows[row.key] = row
        for portion in self.inspections.read(suspects):
            self.contents.update(portion)

    def _lost(self, rows: Iterable[Known]) -> set[str]:
        """Contents of which there are more rows than files."""
        held = Counter(row.fingerprint for row in rows if row.presence != "gone")
        there = Counter(content.fingerprint for content in self.contents.values())
        return set(held - there) - {""}

    def _find_strays(self, lost: Collection[str]) -> bool:
        """Whether contents that seem lost are in files of which nobody told yet."""
        if not lost or self.targets is None:
            return False
        looked = {place: found for place in list(self.listing.names)
                  if (found := self.listing.look(place)) and self._differs(place, found)}
        for portion in self.inspections.read(looked):
            self._strays.update(portion)
        claimed = [place for place, content in self._strays.items()
                 if content.fingerprint in lost and place not in self.contents]
        self.contents.update((place, self._strays[place]) for place in claimed)
        return bool(claimed)

    def _free(self, row: Known, suspects: dict[Place, Found]) -> bool:
        """Whether the row's own place is empty; one that looks different is read first."""
        place = row.root, row.id
        if row.presence == "gone":
            return True
        if place in self.contents or place in self._kept:
            return False
        if place[0] not in self._online:
            return not self._is_root(place[0]) and not is_there(row.path)
        found = self.listing.look(place)
        if found is None:
            return place not in _Unsure(self.listing.unsure)
        if found.stamp != row.stamp:
            suspects[place] = found
        return False

    def _is_root(self, root: str) -> bool:
        return any(root == str(each) for each in self.roots)

    def _updates(self, assignment: Assignment) -> list[Update]:
        updates: list[Update] = [Gone(key) for key in assignment.gone]
        for place, key in assignment.keys.items():
            updates.append(self.contents[place].put(key))
        return updates

    def _apply(self, updates: Sequence[Update]) -> None:
        if updates:
            self.changes += self.store.apply(updates)


class _Unsure:
    """Places of which nothing can be said: files, and folders with all that is below them."""

    def __init__(self, places: Iterable[Place]) -> None:
        self._files = {place for place in places if not place[1].endswith("/")}
        self._folders = [place for place in places if place[1].endswith("/")]

    def __contains__(self, place: Place) -> bool:
        return place in self._files or any(
            place[0] == root and place[1].startswith(below) for root, below in self._folders
        )
