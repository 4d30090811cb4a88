"""Tells the store where files are after an operation, so that the watcher finds nothing to do."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from loradex.catalog.edits import Shelf
from loradex.catalog.operations import Row
from loradex.catalog.places import Places
from loradex.catalog.records import Change, FileFacts, Summary
from loradex.catalog.scan import Listing, NetworkFile, ScannedFile
from loradex.catalog.updates import Gone, Put, Update
from loradex.catalog.walk import Folder, Level


class Inspected(Protocol):
    """What one look at a file gives."""

    @property
    def facts(self) -> FileFacts: ...

    @property
    def summary(self) -> Summary: ...


class Inspect(Protocol):
    """Reads a file's header and sidecars; never raises for a bad file."""

    def __call__(
        self, file: NetworkFile, names: Collection[str] | None = None
    ) -> Inspected: ...


def settle_rows(
    store: Shelf, places: Places, inspect: Inspect, rows: Iterable[Row]
) -> tuple[Change, ...]:
    """Each row keeps its key and gets the file as it is now, wherever the operation left it.

    Facts and summary are read anew: names and sidecars have a say in both.
    """
    updates: list[Update] = []
    folders: dict[Path, Mapping[str, ScannedFile]] = {}
    for row in rows:
        path = next((p for p in (row.target, row.source) if p and os.path.lexists(p)), None)
        key = _key(store, places, row)
        if path is None:
            updates += [] if key is None else [Gone(key)]
            continue
        if path.parent not in folders:
            folders[path.parent] = look(places, path.parent)
        found = folders[path.parent].get(path.name)
        if found is not None:
            seen = inspect(found.file, found.companions)
            updates.append(
                Put(found.file, seen.facts, seen.summary, found.companions_stamp, key)
            )
    return store.apply(updates) if updates else ()


def look(places: Places, folder: Path) -> Mapping[str, ScannedFile]:
    """The models of one folder by name, as a scan of the whole tree would list them."""
    place = places.place(folder)
    below = place.path.relative_to(place.root).as_posix()
    below = "" if below == "." else f"{below}/"
    level = Level(Folder(str(place.path), below, place.root, os.path.realpath(folder)))
    with os.scandir(place.path) as entries:
        for entry in entries:
            level.add(entry)
    listing = Listing(names={(str(place.root), e.name): (level, e) for e in level.models})
    found = {name: listing.look((root, name)) for root, name in list(listing.names)}
    return {name: one.scanned(places.id_of(place, name)) for name, one in found.items() if one}


def _key(store: Shelf, places: Places, row: Row) -> int | None:
    """The row's key; by path where a rebuilt database gave its content another one."""
    ends = [path for path in (row.source, row.target) if path is not None]
    entry = store.get(row.key)
    if entry is not None and entry.file.path in ends:
        return row.key
    for path in ends:
        place = places.place(path.parent)
        entry = store.find(place.root, places.id_of(place, path.name))
        if entry is not None:
            return entry.key
    return None
