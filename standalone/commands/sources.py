"""The files that the words of a command line mean: paths, folders, and names as in prompts."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from loradex.catalog.catalog import DATABASE, Catalog
from loradex.catalog.disk.scan import SUFFIXES
from loradex.catalog.network_file import NetworkFile
from loradex.catalog.reading.details import Details, details_of, inspect_file
from loradex.catalog.reading.inspect import Inspector
from loradex.catalog.records import Entry, Query
from loradex.errors import InputError, LoradexError, NetworkNotFoundError

from standalone.commands.shared import (
    Refused,
    is_file,
    is_folder,
    no_file,
    open_catalog,
    path_of,
    roots_of,
)
from standalone.folders import catalog_home

ALL = Query(sort="path", limit=None)


class Sources:
    """Finds files; the catalogs that it needs are open until it is left."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.inspector = Inspector()
        self._arguments = arguments
        self._stack = ExitStack()
        self._usual: Catalog | None = None
        self._fresh = False

    def __enter__(self) -> Sources:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def details(self, words: Sequence[str]) -> Iterator[Details | Refused]:
        """Every file that the words mean, in their order; a bad word does not hide the others."""
        for word in words:
            try:
                yield from self._of_word(word)
            except LoradexError as error:
                yield Refused(word, error)

    def folder(self, path: Path) -> Catalog:
        """The catalog of one folder, made true."""
        catalog = self._stack.enter_context(open_catalog(self._arguments, (path.absolute(),)))
        catalog.refresh()
        return catalog

    def usual(self) -> Catalog:
        """The catalog of the LoRA folders, made true."""
        catalog = self._opened()
        if not self._fresh:
            catalog.refresh()
            self._fresh = True
        return catalog

    def _opened(self) -> Catalog:
        if self._usual is None:
            made = open_catalog(self._arguments, roots_of(self._arguments))
            self._usual = self._stack.enter_context(made)
        return self._usual

    def _of_word(self, word: str) -> Iterator[Details]:
        path = path_of(word)
        if is_file(path):
            yield self._of_file(file_at(path))
        elif is_folder(path):
            for entry in self.folder(path).entries(ALL):
                yield details_of(entry)
        elif _means_a_path(word):
            raise no_file(word)
        else:
            catalog = self.usual()
            yield catalog.details(self._named(catalog, word))

    def _named(self, catalog: Catalog, word: str) -> Entry:
        try:
            return catalog.entry(word)
        except NetworkNotFoundError as error:
            raise InputError(
                word, f"no such file, and {error.found}", "", error.next_step) from None

    def _of_file(self, file: NetworkFile) -> Details:
        found = inspect_file(file, self.inspector)
        known = self._known(file.path)
        return found if known is None else replace(details_of(known), entry=known)

    def _known(self, path: Path) -> Entry | None:
        """What the index has on a file below the LoRA folders: hashes, stars, your own words."""
        roots = [root for root in self._roots() if path.is_relative_to(root)]
        if not roots:
            return None
        catalog = self._opened()
        catalog.refresh([path])
        found = (catalog.store.find(root, path.relative_to(root).as_posix()) for root in roots)
        return next((entry for entry in found if entry is not None), None)

    def _roots(self) -> Sequence[Path]:
        """The LoRA folders, if they were listed before; else there is nothing to ask."""
        try:
            roots = roots_of(self._arguments)
        except InputError:
            return ()
        home = catalog_home(roots, self._arguments.home)
        return roots if is_file(home / DATABASE) else ()


def _means_a_path(word: str) -> bool:
    """Whether a word that is no file was meant as one rather than as a LoRA's name."""
    several = os.sep in word or "/" in word
    return word.startswith((".", "~", "/")) or (several and word.lower().endswith(SUFFIXES))


def file_at(path: Path) -> NetworkFile:
    """A file that the user named by its path, whatever its suffix."""
    full = path.absolute()
    stat = full.stat()
    return NetworkFile(
        full.name, full.stem, full, full.parent, stat.st_size, stat.st_mtime_ns, stat.st_ino,
        stat.st_ctime_ns,
    )
