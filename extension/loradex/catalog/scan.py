"""Lists the network files under some folders: names, sizes and times, nothing is opened."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

log = logging.getLogger(__name__)

SUFFIXES = (".safetensors", ".pt", ".ckpt", ".bin")


@dataclass(frozen=True)
class NetworkFile:
    """One file that may hold a network.

    `id` is its path relative to `root` in posix form, with the suffix; `name` is the file's name
    without it. Bytes that are no text are shown as `\\xff` in both, while `path` is exact.
    """

    id: str
    name: str
    path: Path
    root: Path
    size: int
    mtime_ns: int
    inode: int = 0
    ctime_ns: int = 0

    @property
    def stamp(self) -> tuple[int, int, int, int]:
        """What differs when the file was written to, replaced or swapped with another.

        Size and time alone miss a write within the clock's grain, and two files that changed
        places; where a system tells no inode it is 0.
        """
        return self.size, self.mtime_ns, self.inode, self.ctime_ns


@dataclass(frozen=True)
class _Folder:
    """A folder to list: where it is, its path below its root, and the root."""

    path: str
    below: tuple[str, ...]
    root: Path


@dataclass
class _Walk:
    """A walk over folders that enters each real folder once, links after all real folders.

    So a loop of links ends, no file is listed twice under overlapping roots, and a file's id
    follows the real folder rather than a link to it.
    """

    linked: list[_Folder] = field(default_factory=list)
    entered: set[str] = field(default_factory=set)

    def files(self, roots: Sequence[Path]) -> Iterator[NetworkFile]:
        for root in roots:
            yield from self._below(_Folder(os.fspath(root), (), root))
        while self.linked:
            yield from self._below(self.linked.pop(0))

    def _below(self, start: _Folder) -> Iterator[NetworkFile]:
        waiting = [start]
        while waiting:
            folder = waiting.pop()
            real = os.path.realpath(folder.path)
            if real in self.entered:
                continue
            self.entered.add(real)
            for entry in _list(folder):
                if _is_folder(entry):
                    inner = _Folder(entry.path, (*folder.below, entry.name), folder.root)
                    (self.linked if entry.is_symlink() else waiting).append(inner)
                elif (file := _network_file(folder, entry)) is not None:
                    yield file


def scan_networks(roots: Sequence[Path]) -> tuple[NetworkFile, ...]:
    """The network files below `roots`, sorted by root and id.

    Hidden files and folders (a leading dot, so also macOS' `._name` twins) are left out. A root
    that does not exist or cannot be listed, and a folder likewise, is logged and skipped.
    """
    order = {root: index for index, root in reversed(list(enumerate(roots)))}
    files = sorted(_Walk().files(roots), key=lambda file: (order[file.root], file.id))
    log.info("%d network files in %d folders", len(files), len(order))
    return tuple(files)


def _list(folder: _Folder) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder.path) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        log.warning("Folder %s is left out: %s", _text(folder.path), error.strerror or error)
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of links that lead nowhere
        return False


def _network_file(folder: _Folder, entry: os.DirEntry[str]) -> NetworkFile | None:
    stem, suffix = os.path.splitext(entry.name)  # noqa: PTH122 - entry.name is a bare name
    if suffix.lower() not in SUFFIXES:
        return None
    try:
        if not entry.is_file():
            return None
        stat = entry.stat()
    except OSError as error:
        log.warning("File %s is left out: %s", _text(entry.path), error.strerror or error)
        return None
    below = "/".join((*folder.below, entry.name))
    path = Path(entry.path)
    return NetworkFile(
        _text(below), _text(stem), path, folder.root, stat.st_size, stat.st_mtime_ns,
        stat.st_ino, stat.st_ctime_ns,
    )


def _text(name: str) -> str:
    """A name as text that can be printed and sent, also where the disk holds other bytes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
