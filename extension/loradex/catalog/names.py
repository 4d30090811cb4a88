"""Finds the one file that a name in a prompt means, and never guesses between two."""

from __future__ import annotations

import difflib
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from loradex.catalog.network_file import NetworkFile
from loradex.errors import AmbiguousNameError, NetworkNotFoundError
from loradex.files.sidecar_names import MODEL_SUFFIXES

_NEAR_NAMES = 3

Parts = tuple[str, ...]


@dataclass(frozen=True)
class _Entry:
    """A file with the parts of its id and of its whole path, in NFC: macOS writes NFD."""

    file: NetworkFile
    id: Parts
    whole: Parts

    def folded(self) -> _Entry:
        return _Entry(self.file, _fold(self.id), _fold(self.whole))


# From the most to the least exact. A file in the root folder has its bare name as its id, so it
# wins over a file of the same name in a folder below, which keeps `folder/name` as its own.
_TIERS: tuple[Callable[[_Entry, Parts], bool], ...] = (
    lambda entry, query: entry.id == query,
    lambda entry, query: _bare(entry.id) == query,
    lambda entry, query: query in (entry.id[-len(query) :], _bare(entry.id)[-len(query) :]),
    lambda entry, query: query in (entry.whole[-len(query) :], _bare(entry.whole)[-len(query) :]),
)


class NetworkIndex:
    """Names of network files, answered from memory.

    A name is an id, an id without its suffix, or the end of one from any folder on
    (`style/ink` or `ink` for `art/style/ink.safetensors`); with several roots it may begin in
    the root's own path. The exact spelling goes before any other case.
    """

    def __init__(self, files: Iterable[NetworkFile], searched: str = "") -> None:
        self.files = tuple(files)
        self._searched = searched
        self._entries = [_entry(file) for file in self.files]
        self._folded = [entry.folded() for entry in self._entries]
        self._by_name: dict[str, list[int]] = defaultdict(list)
        for index, entry in enumerate(self._folded):
            for last in {entry.id[-1], _bare(entry.id)[-1]}:
                self._by_name[last].append(index)

    def __len__(self) -> int:
        return len(self.files)

    def resolve(self, name: str) -> NetworkFile:
        """The file that `name` means.

        Raises:
            NetworkNotFoundError: no file has that name; `near` holds the nearest ones.
            AmbiguousNameError: several have it; `choices` holds the shortest unique names.
        """
        hits = self._hits(name)
        if not hits:
            raise NetworkNotFoundError(name, self._near(name), self._searched)
        if len(hits) > 1:
            raise AmbiguousNameError(name, sorted(self.short_name(file) for file in hits))
        return hits[0]

    def short_name(self, file: NetworkFile) -> str:
        """The shortest name that means `file` and no other."""
        return next((name for name in _spellings(file) if self._hits(name) == [file]), file.id)

    def _hits(self, name: str) -> list[NetworkFile]:
        queries = [_parts(name)]
        if "\\" in name:  # a Windows path; tried last, since elsewhere a name may hold it
            queries.append(_parts(name.replace("\\", "/")))
        for query in queries:
            if query and (hits := self._hits_of(query)):
                return hits
        return []

    def _hits_of(self, query: Parts) -> list[NetworkFile]:
        folded = _fold(query)
        found = self._by_name.get(folded[-1], [])
        for entries, wanted in ((self._entries, query), (self._folded, folded)):
            for tier in _TIERS:
                hits = [entries[i].file for i in found if tier(entries[i], wanted)]
                if hits:
                    return hits
        return []

    def _near(self, name: str) -> tuple[str, ...]:
        """Names that contain the wanted one first, then those that are spelt alike."""
        wanted = _bare(_fold(_parts(name.replace("\\", "/"))) or ("",))[-1]
        by_stem: dict[str, list[NetworkFile]] = defaultdict(list)
        for entry in self._folded:
            by_stem[_bare(entry.id)[-1]].append(entry.file)
        within = sorted((stem for stem in by_stem if wanted and wanted in stem), key=len)
        alike = difflib.get_close_matches(wanted, by_stem, _NEAR_NAMES)
        stems = dict.fromkeys([*within[:_NEAR_NAMES], *alike])
        files = [file for stem in stems for file in by_stem[stem]]
        return tuple(self.short_name(file) for file in files[:_NEAR_NAMES])


def _entry(file: NetworkFile) -> _Entry:
    own = _parts(file.id)
    return _Entry(file, own, (*_parts(file.root.absolute().as_posix()), *own))


def _parts(name: str) -> Parts:
    """`./a//b` and `/a/b` are `(a, b)`."""
    normal = unicodedata.normalize("NFC", name.strip())
    return tuple(part for part in normal.split("/") if part not in ("", "."))


def _fold(parts: Parts) -> Parts:
    return tuple(unicodedata.normalize("NFC", part.casefold()) for part in parts)


def _bare(parts: Parts) -> Parts:
    """The same parts without a model suffix at the end."""
    *folders, last = parts
    if last.lower().endswith(MODEL_SUFFIXES):
        last = PurePosixPath(last).stem
    return (*folders, last)


def _spellings(file: NetworkFile) -> Iterator[str]:
    """Names for a file, shortest first; the last one is its whole path."""
    entry = _entry(file)
    for count in range(1, len(entry.id) + 1):
        yield "/".join(_bare(entry.id[-count:]))
    yield entry.id[-1]
    yield file.id
    for count in range(len(entry.id) + 1, len(entry.whole) + 1):
        yield "/".join(_bare(entry.whole[-count:]))
        yield "/".join(entry.whole[-count:])
