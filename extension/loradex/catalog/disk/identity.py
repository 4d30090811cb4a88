"""Which row has which file from now on: the identity rules, from contents and places alone.

A row is one content with what the user said of it. Within one batch of changes:

1. a row whose file still has its content stays where it is;
2. a content that turns up elsewhere brings its row along, if that row is free: its own place is
   empty or holds something else now, or it was gone before;
3. a place whose old content nobody claims keeps its row (a retrained file keeps its stars);
4. anything else is a new row, and rows that are left over are gone.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

Place = tuple[str, str]
"""A root as text, and a file's id below it."""

_VANISHED, _DISPLACED, _GONE = range(3)


class Row(Protocol):
    """What the rules need of a row of the store."""

    @property
    def key(self) -> int: ...
    @property
    def root(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def presence(self) -> str: ...


@dataclass
class Assignment:
    """A key for each place (None: a new row), and the rows that have no file any more."""

    keys: dict[Place, int | None] = field(default_factory=dict)
    gone: tuple[int, ...] = ()


def assign(rows: Collection[Row], contents: Mapping[Place, str]) -> Assignment:
    """The rows of the files whose fingerprints are in `contents`.

    `rows` are those that may change: all that stand at these places, all whose place holds
    nothing any more, and all gone ones of these contents. A fingerprint of '' is a content of
    which nothing is known; it equals no other.
    """
    return _Assigner(rows, contents).run()


class _Assigner:
    def __init__(self, rows: Collection[Row], contents: Mapping[Place, str]) -> None:
        self._rows = sorted(rows, key=lambda row: (row.root, row.id, row.key))
        self._contents = contents
        self._keys: dict[Place, int | None] = {}
        self._taken: set[int] = set()

    def run(self) -> Assignment:
        self._keep()
        self._move()
        self._replace()
        for place in self._contents:
            self._keys.setdefault(place, None)
        left = [row.key for row in self._rows
                if row.presence != "gone" and row.key not in self._taken]
        return Assignment(self._keys, tuple(left))

    def _keep(self) -> None:
        """Rule 1; where a present and a gone row would do, the present one."""
        for row in sorted(self._rows, key=lambda row: (row.presence == "gone", -row.key)):
            if row.fingerprint and self._contents.get(_place(row)) == row.fingerprint:
                self._take(row, _place(row))

    def _move(self) -> None:
        """Rule 2: the same name first, then what vanished before what was replaced or gone."""
        claimants: dict[str, list[Place]] = defaultdict(list)
        for place, content in sorted(self._contents.items()):
            if content and place not in self._keys:
                claimants[content].append(place)
        free: dict[str, list[Row]] = defaultdict(list)
        for row in self._rows:
            if row.key not in self._taken and row.fingerprint in claimants:
                free[row.fingerprint].append(row)
        for content, rows in free.items():
            self._match(claimants[content], rows)

    def _match(self, places: Sequence[Place], rows: Sequence[Row]) -> None:
        by_state = [[row for row in rows if self._state(row) == state] for state in range(3)]
        for some in by_state:
            self._pair(places, some, lambda place: place[1])
            self._pair(places, some, _name)
        for some in by_state:
            self._pair(places, some, lambda _: "")

    def _pair(
        self, places: Iterable[Place], rows: Iterable[Row], alike: Callable[[Place], Hashable]
    ) -> None:
        """Gives each place that has none yet the first free row that is alike."""
        waiting: dict[Hashable, deque[Row]] = defaultdict(deque)
        for row in rows:
            if row.key not in self._taken:
                waiting[alike(_place(row))].append(row)
        for place in places if waiting else ():
            if place not in self._keys and (found := waiting.get(alike(place))):
                self._take(found.popleft(), place)

    def _replace(self) -> None:
        """Rule 3."""
        for row in self._rows:
            place = _place(row)
            if row.presence == "gone" or row.key in self._taken or place in self._keys:
                continue
            if place in self._contents:
                self._take(row, place)

    def _take(self, row: Row, place: Place) -> None:
        if place not in self._keys and row.key not in self._taken:
            self._keys[place] = row.key
            self._taken.add(row.key)

    def _state(self, row: Row) -> int:
        if row.presence == "gone":
            return _GONE
        return _DISPLACED if _place(row) in self._contents else _VANISHED


def _place(row: Row) -> Place:
    return row.root, row.id


def _name(place: Place) -> str:
    return place[1].rpartition("/")[2]
