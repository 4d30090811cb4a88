"""Walks over folders of models once: what lies where, and what could not be looked into."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from loradex.errors import CancelledError
from loradex.files.sidecar_names import (
    MODEL_SUFFIXES,
    PREVIEW_SUFFIXES,
    SIDECAR_SUFFIXES,
    models_of,
)
from loradex.files.unfinished import CONTROL_SUFFIXES, finished_name

log = logging.getLogger(__name__)

Entry = os.DirEntry[str]

_SUFFIXES = frozenset(MODEL_SUFFIXES)
_PLAIN = frozenset((*SIDECAR_SUFFIXES, *PREVIEW_SUFFIXES))
_by_name = attrgetter("name")
_LINKS_TELL = sys.platform != "win32"
"""A Windows junction is not told as a link before Python 3.12, so there every path is resolved."""


class Folder(NamedTuple):
    """A folder below a root: where it is seen, and where it really is."""

    path: str
    below: str
    """Its path below the root with a slash at the end, or ''."""
    root: Path
    real: str
    linked: bool = False


class Level:
    """What one folder holds: its models, and the other files that may belong to them."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.folders: list[Entry] = []
        self.models: list[Entry] = []
        self.others: list[Entry] = []
        self._owned: dict[str, list[Entry]] | None = None

    def add(self, entry: Entry) -> None:
        """Hidden names are left out, so also macOS' `._name` twins."""
        name = entry.name
        if name.startswith("."):
            return
        if _is_folder(entry):
            self.folders.append(entry)
        elif name[name.rfind(".") :].lower() in _SUFFIXES:
            self.models.append(entry)
        else:
            self.others.append(entry)

    def companions(self, model: str) -> Sequence[Entry]:
        """The sidecars and previews of a model of this folder, by name.

        A downloader's control file is among them: the model changes when it goes.
        """
        if self._owned is None:
            self._owned = self._by_model() if self.others else {}
        return self._owned.get(model, ())

    def _by_model(self) -> dict[str, list[Entry]]:
        """In one pass, as `sidecar_names.companions_by_model` does it for plain names."""
        called: dict[str, list[str]] = {}
        for entry in self.models:
            name = entry.name
            for key in (name[: name.rfind(".")].lower(), name.lower()):
                called.setdefault(key, []).append(name)
        owned: dict[str, list[Entry]] = {}
        for entry in sorted(self.others, key=_by_name):
            for model in _owned_by(entry.name, called):
                owned.setdefault(model, []).append(entry)
        return owned


@dataclass
class Walk:
    """A walk that enters each real folder once, links after all real folders.

    So a loop of links ends, no file is listed twice under overlapping roots, and a file's id
    follows the real folder rather than a link to it.
    """

    roots: Sequence[Path]
    cancelled: Callable[[], bool] = lambda: False
    offline: list[Path] = field(default_factory=list)
    """Roots that do not exist or cannot be listed."""
    bare: list[Path] = field(default_factory=list)
    """Roots that hold nothing at all, not even a hidden file, and are no mounted volume."""
    unsure: list[tuple[Path, str]] = field(default_factory=list)
    """(root, path below it) of what is there and cannot be looked into."""
    folders: list[Folder] = field(default_factory=list)
    _entered: set[str] = field(default_factory=set)
    _linked: list[Folder] = field(default_factory=list)

    def levels(self) -> Iterator[Level]:
        """Every folder with what it holds.

        Raises:
            CancelledError: `cancelled` returned true; it is asked once per folder.
        """
        for root in self.roots:
            path = os.fspath(root)
            yield from self._below(Folder(path, "", root, os.path.realpath(path)))
        while self._linked:
            yield from self._below(self._linked.pop(0))

    def _below(self, start: Folder) -> Iterator[Level]:
        waiting = [start]
        while waiting:
            folder = waiting.pop()
            if folder.real in self._entered:
                continue
            if self.cancelled():
                raise CancelledError(folder.path, "the look through the folders was stopped")
            self._entered.add(folder.real)
            level = self._list(folder)
            if level is None:
                continue
            self.folders.append(folder)
            for entry in level.folders:
                inner = _inner(folder, entry)
                (self._linked if inner.linked else waiting).append(inner)
            yield level

    def _list(self, folder: Folder) -> Level | None:
        level = Level(folder)
        empty = True
        try:
            with os.scandir(folder.path) as entries:
                for entry in entries:
                    empty = False
                    level.add(entry)
        except OSError as error:
            self._refused(folder, error)
            return None
        if empty and not folder.below and not os.path.ismount(folder.real):
            self.bare.append(folder.root)
        self._note_dangling(level)
        return level

    def _refused(self, folder: Folder, error: OSError) -> None:
        log.warning("Folder %s is left out: %s", text(folder.path), error.strerror or error)
        if not folder.below:
            self.offline.append(folder.root)
        elif not isinstance(error, FileNotFoundError):
            self.unsure.append((folder.root, folder.below))

    def _note_dangling(self, level: Level) -> None:
        """A link that leads nowhere may be a folder on a drive that is not connected."""
        folder = level.folder
        for entry in level.others:
            if entry.is_symlink() and not os.path.exists(entry.path):  # noqa: PTH110 - hot
                self.unsure.append((folder.root, f"{folder.below}{entry.name}/"))


def text(name: str) -> str:
    """A name as text that can be printed and sent, also where the disk holds other bytes."""
    if name.isascii():
        return name
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def owners_of(name: str) -> tuple[str, ...]:
    """As `models_of`, and the model of a file that says its download has not ended."""
    owners = models_of(name)
    if not owners and name.lower().endswith(CONTROL_SUFFIXES):
        return (finished_name(name),)
    return owners


def _owned_by(name: str, called: Mapping[str, list[str]]) -> list[str]:
    """The models of the most specific owner; the plain `NAME.json` is told without asking."""
    dot = name.rfind(".")
    owner = name[:dot]
    models = called.get(owner.lower())
    if models and name[dot:].lower() in _PLAIN:
        return _exact(owner, models)
    for owner in owners_of(name):
        models = called.get(owner.lower())
        if models:
            return _exact(owner, models)
    return []


def _inner(folder: Folder, entry: Entry) -> Folder:
    linked = entry.is_symlink()
    if linked or not _LINKS_TELL:
        real = os.path.realpath(entry.path)
        linked = linked or real != os.path.join(folder.real, entry.name)  # noqa: PTH118 - hot
    else:
        real = os.path.join(folder.real, entry.name)  # noqa: PTH118 - hot
    return Folder(entry.path, f"{folder.below}{entry.name}/", folder.root, real, linked)


def _is_folder(entry: Entry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of links that lead nowhere
        return False


def _exact(owner: str, models: list[str]) -> list[str]:
    """The models that spell the owner in the same case, where there are some; else all."""
    if len(models) == 1:
        return models
    exact = [name for name in models if owner in (name, name[: name.rfind(".")])]
    return exact or models
