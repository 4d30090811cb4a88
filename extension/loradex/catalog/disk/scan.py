"""Lists the network files under some folders: names, sizes and times, nothing is opened."""

from __future__ import annotations

import logging
import os
import stat as modes
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from loradex.catalog.disk.walk import Entry, Folder, Level, Walk, text
from loradex.catalog.network_file import NetworkFile, Stamp
from loradex.files.sidecar_names import MODEL_SUFFIXES

log = logging.getLogger(__name__)

SUFFIXES = MODEL_SUFFIXES

Place = tuple[str, str]
"""A root as text, and a file's id below it."""

_STAMP_BYTES = 8


@dataclass(frozen=True)
class ScannedFile:
    """A file with the names of its sidecars and previews, and a digest of their state."""

    file: NetworkFile
    companions_stamp: str
    """Differs when one of them was added, removed or written to; '' where there are none."""
    companions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scan:
    """What lies below some roots, sorted by root and id, and which roots could not be listed."""

    files: tuple[ScannedFile, ...]
    offline: tuple[Path, ...] = ()


class Found(NamedTuple):
    """One file as the system tells it: 20,000 of these cost less than as many records."""

    stamp: Stamp
    companions_stamp: str
    name: str
    folder: Folder
    companions: tuple[str, ...] = ()

    def scanned(self, id_: str) -> ScannedFile:
        stem = text(self.name[: self.name.rfind(".")])
        path = Path(os.path.join(self.folder.path, self.name))  # noqa: PTH118 - hot
        file = NetworkFile(id_, stem, path, self.folder.root, *self.stamp)
        return ScannedFile(file, self.companions_stamp, self.companions)


@dataclass
class Listing:
    """The models below some roots by place; what was not looked at yet is only a name."""

    found: dict[Place, Found] = field(default_factory=dict)
    names: dict[Place, tuple[Level, Entry]] = field(default_factory=dict)
    folders: tuple[Folder, ...] = ()
    offline: tuple[Path, ...] = ()
    bare: tuple[Path, ...] = ()
    """Roots that hold nothing at all: emptied, or the bare mount point of a drive."""
    unsure: list[Place] = field(default_factory=list)
    """Files, and folders with a slash at the end, of which nothing can be said."""

    def look(self, place: Place) -> Found | None:
        """Size and times of a file that was listed by name only."""
        seen = self.names.pop(place, None)
        if seen is not None:
            self._add(place, *seen)
        return self.found.get(place)

    def _add(self, place: Place, level: Level, entry: Entry) -> None:
        try:
            stat = entry.stat()
        except FileNotFoundError:  # a link that leads nowhere, or just deleted
            if entry.is_symlink():
                self.unsure.append(place)
            return
        except OSError as error:
            log.warning("File %s is left out: %s", text(entry.path), error.strerror or error)
            self.unsure.append(place)
            return
        if not modes.S_ISREG(stat.st_mode):
            return
        owned = level.companions(entry.name)
        state = _state(owned) if owned else ""
        names = tuple([other.name for other in owned]) if owned else ()
        stamp = stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_ctime_ns
        self.found[place] = Found(stamp, state, entry.name, level.folder, names)


def list_models(
    roots: Sequence[Path],
    wanted: Callable[[Level, Entry], bool] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Listing:
    """Every model below `roots`; with `wanted` only those are looked at, the others named.

    Raises:
        CancelledError: `cancelled` returned true; it is asked once per folder.
    """
    walk, listing = Walk(roots, cancelled), Listing()
    for level in walk.levels():
        root, below = str(level.folder.root), level.folder.below
        for entry in level.models:
            place = root, text(below + entry.name)
            if wanted is None or wanted(level, entry):
                listing._add(place, level, entry)
            else:
                listing.names[place] = level, entry
    listing.folders = tuple(walk.folders)
    listing.offline, listing.bare = tuple(walk.offline), tuple(walk.bare)
    listing.unsure += [(str(root), text(below)) for root, below in walk.unsure]
    return listing


def scan_tree(roots: Sequence[Path]) -> Scan:
    """The network files below `roots` with the state of their sidecars and previews.

    Hidden files and folders (a leading dot) are left out. A folder that cannot be listed is
    logged and skipped; a root is told in `offline`.
    """
    listing = list_models(roots)
    order = {str(root): index for index, root in reversed(list(enumerate(roots)))}
    places = sorted(listing.found, key=lambda place: (order[place[0]], place[1]))
    log.info("%d network files in %d folders", len(places), len(order))
    return Scan(tuple(listing.found[p].scanned(p[1]) for p in places), listing.offline)


def scan_networks(roots: Sequence[Path]) -> tuple[NetworkFile, ...]:
    """The network files of `scan_tree` alone."""
    return tuple(scanned.file for scanned in scan_tree(roots).files)


def _state(companions: Iterable[Entry]) -> str:
    """A digest of names, sizes and times, the same in every run."""
    parts = []
    for entry in companions:
        try:
            stat = entry.stat()
        except OSError:  # gone meanwhile, or unreadable: the next look tells
            continue
        parts.append(f"{entry.name}/{stat.st_size}/{stat.st_mtime_ns}")
    whole = "/".join(parts).encode("utf-8", "surrogateescape")
    return blake2b(whole, digest_size=_STAMP_BYTES).hexdigest()
