"""Tells the store where files are after an operation, so that the watcher finds nothing to do."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from loradex.catalog.disk.scan import Listing, ScannedFile
from loradex.catalog.disk.walk import Folder, Level
from loradex.catalog.index.updates import Gone, Put, Update
from loradex.catalog.network_file import NetworkFile
from loradex.catalog.organising.edits import Shelf
from loradex.catalog.organising.operations import Operation, Row
from loradex.catalog.organising.places import Places
from loradex.catalog.organising.portable import fold
from loradex.catalog.records import Change, FileFacts, Summary
from loradex.errors import InputError
from loradex.files.sidecar_names import models_of


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
    store: Shelf, places: Places, inspect: Inspect, operation: Operation
) -> tuple[Change, ...]:
    """Each row keeps its key and gets the file as it is now, wherever the operation left it.

    Facts and summary are read anew: names and sidecars have a say in both. So are those of models
    that stayed and share a sidecar that came or went.
    """
    updates: list[Update] = []
    seen = _Folders(places)
    settled = set()
    for row in operation.rows:
        # Where it failed, the target may be somebody else's file that came in between.
        ends = (row.target, row.source) if operation.done else (row.source, row.target)
        path = next((path for path in ends if path and os.path.lexists(path)), None)
        key = _key(store, places, row)
        if path is None:
            updates += [] if key is None else [Gone(key)]
        elif (found := seen.model(path)) is not None:
            settled.add(found.file.path)
            updates.append(_put(inspect, found, key))
    for found in seen.sharing(operation):
        entry = store.find(found.file.root, found.file.id)
        if entry is not None and found.file.path not in settled:
            updates.append(_put(inspect, found, entry.key))
    changes = store.apply(updates) if updates else ()
    return (*changes, *_edited(store, operation))


def _edited(store: Shelf, operation: Operation) -> Iterator[Change]:
    """What the user said is in the index already; only who listens does not know."""
    for key in dict.fromkeys(edit.key for edit in operation.edits if operation.done):
        entry = store.get(key)
        if entry is not None:
            yield Change("user", key, entry.file.id)


class _Folders:
    """Each touched folder is listed once."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._seen: dict[Path, Mapping[str, ScannedFile]] = {}

    def model(self, path: Path) -> ScannedFile | None:
        """By the name as the disk lists it: HFS+ has another Unicode form, some drives no case."""
        models = self._of(path.parent)
        alike = (found for found in models.values() if _is_same_name(found.file.path, path))
        return models.get(path.name) or next(alike, None)

    def sharing(self, operation: Operation) -> Iterator[ScannedFile]:
        """The models to which touched sidecars, or those of touched models, may belong."""
        called: dict[Path, set[str]] = defaultdict(set)
        for path in _touched(operation):
            models = models_of(path.name) or (path.stem,)
            called[path.parent].update(model.lower() for model in models)
        for folder, names in called.items():
            if names:
                yield from (
                    found for model, found in self._of(folder).items()
                    if names & {model.lower(), model[: model.rfind(".")].lower()}
                )  # fmt: skip

    def _of(self, folder: Path) -> Mapping[str, ScannedFile]:
        if folder not in self._seen:
            self._seen[folder] = {}
            # A folder behind a link out of the roots is the watcher's alone.
            with suppress(InputError, FileNotFoundError):
                self._seen[folder] = look(self._places, folder)
        return self._seen[folder]


def _is_same_name(one: Path, other: Path) -> bool:
    """But for case and Unicode form."""
    return one.parent == other.parent and fold(one.name) == fold(other.name)


def _touched(operation: Operation) -> Iterator[Path]:
    for step in operation.steps:
        if step.action not in ("edit", "restore", "bring"):  # the bin is no folder of ours
            yield step.source
        if step.target is not None and step.action != "edit":
            yield step.target


def _put(inspect: Inspect, found: ScannedFile, key: int | None) -> Put:
    one = inspect(found.file, found.companions)
    return Put(found.file, one.facts, one.summary, found.companions_stamp, key)


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
    if entry is not None and any(_is_same_name(entry.file.path, path) for path in ends):
        return row.key
    for path in ends:
        with suppress(InputError):
            place = places.place(path.parent)
            entry = store.find(place.root, places.id_of(place, path.name))
            if entry is not None:
                return entry.key
    return None
