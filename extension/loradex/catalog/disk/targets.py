"""Which files some paths mean: a file, a sidecar's model, or everything below a folder."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from loradex.catalog.disk.walk import Entry, Folder, Level, owners_of, text


class Targets:
    """Paths as a watcher tells them; they may be gone, and may lead through links or not.

    Whether a path that is gone was a file or a folder is not asked: it means itself and all that
    was below it.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths: set[str] = set()
        self._files: dict[str, set[str]] = defaultdict(set)
        self._owners: dict[str, set[str]] = defaultdict(set)
        self._levels: dict[str, tuple[bool, set[str], set[str]]] = {}
        self.add(paths)

    def add(self, paths: Iterable[Path]) -> None:
        """More paths that are meant."""
        self._levels.clear()
        for path in paths:
            for spelled in _spellings(path):
                self._add(spelled)

    def wants(self, level: Level, entry: Entry) -> bool:
        """Whether this model is meant, by itself or with a folder."""
        inside, _, _ = self._level(level.folder)
        return inside or self.named(level.folder, entry.name)

    def named(self, folder: Folder, name: str) -> bool:
        """Whether this model or one of its sidecars is meant itself: something was seen there."""
        _, files, owners = self._level(folder)
        if not files and not owners:
            return False
        stem = name[: name.rfind(".")]
        lower = {text(name.lower()), text(stem.lower())}
        return text(os.path.normcase(name)) in files or not owners.isdisjoint(lower)

    def cover(self, path: Path, below: Path | None = None) -> bool:
        """Whether a file or folder that is not there any more was meant.

        With `below`, only by a path that lies below that folder.
        """
        tops = set() if below is None else _spellings(below)
        for spelled in _spellings(path):
            for up in _upwards(spelled):
                if up in tops:
                    break
                if up in self._paths:
                    return True
        return False

    def _add(self, path: str) -> None:
        folder, name = os.path.split(path)
        self._paths.add(path)
        self._files[folder].add(name)
        self._owners[folder].update(owner.lower() for owner in owners_of(name))

    def _level(self, folder: Folder) -> tuple[bool, set[str], set[str]]:
        """Whether the folder is within a path, and the names that are meant in it."""
        known = self._levels.get(folder.path)
        if known is None:
            inside, files, owners = False, set[str](), set[str]()
            for place in _spellings(folder.path):
                inside = inside or any(up in self._paths for up in _upwards(place))
                files |= self._files.get(place, set())
                owners |= self._owners.get(place, set())
            known = self._levels[folder.path] = inside, files, owners
        return known


def _spellings(path: Path | str) -> set[str]:
    """A path as it was given and with its links resolved, as text that compares."""
    both = {os.path.abspath(path), os.path.realpath(path)}  # noqa: PTH100 - links must stay
    return {text(os.path.normcase(spelled)) for spelled in both}


def _upwards(path: str) -> Iterator[str]:
    """The path and every folder above it."""
    while True:
        yield path
        above = os.path.dirname(path)  # noqa: PTH120 - hot
        if above == path:
            return
        path = above
