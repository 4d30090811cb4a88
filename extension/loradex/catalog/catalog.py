"""The catalog of some folders: one object that lists, finds, watches, hashes and organises."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from loradex import __version__
from loradex.catalog.background import Background
from loradex.catalog.disk.reconcile import Progress, reconcile
from loradex.catalog.disk.watch import WatchStatus
from loradex.catalog.index.hashing import Hasher
from loradex.catalog.index.store import Store
from loradex.catalog.index.updates import Known
from loradex.catalog.listeners import Listener, Listeners
from loradex.catalog.names import NetworkIndex
from loradex.catalog.network_file import NetworkFile
from loradex.catalog.organising.journal import Journal
from loradex.catalog.organising.organise import Organiser
from loradex.catalog.reading import details
from loradex.catalog.reading.details import Details
from loradex.catalog.reading.inspect import Inspector
from loradex.catalog.reading.peek import digest
from loradex.catalog.records import Change, Entry, Page, Query
from loradex.compat.checkpoint import CheckpointFacts
from loradex.compat.families import FAMILIES
from loradex.errors import AmbiguousNameError, NetworkNotFoundError

DATABASE = "catalog.sqlite"
JOURNAL = "journal.jsonl"
SUMMARY_FORMAT = 3
"""Raised when a summary learns a field, so that all files are read again once."""


class Catalog:
    """Every network file below some folders, kept true between `start` and `close`.

    `home` is the folder of the index, of the user's stars and tags and of the journal; without
    one all of it lives in memory. Safe to use from several threads. Nothing is looked at before
    it is asked for: a catalog that was used before lists at once what it knew, and `refresh`
    makes the list true.
    """

    def __init__(self, roots: Sequence[Path], home: Path | None = None) -> None:
        self.roots = tuple(root.absolute() for root in roots)
        self.home = home
        self.store = Store.open(None if home is None else home / DATABASE, reader=_reader())
        self.inspector = Inspector()
        self._turn = threading.RLock()  # of whoever compares or changes what is on the disk
        self.organiser = Organiser(
            self.store, self.roots, Journal(None if home is None else home / JOURNAL),
            inspect=self.inspector.inspect, on_changes=self._tell, turn=self._turn,
        )
        self.hasher = Hasher(self.store, on_hashed=self._tell_hashed)
        self._listeners = Listeners()
        self._index: NetworkIndex | None = None
        self._background: Background | None = None
        self._rebuilt = self.store.rebuilt

    def close(self) -> None:
        """Ends all threads and writes what waits to be written."""
        self.stop()
        self.hasher.stop()
        self.store.close()

    def __enter__(self) -> Catalog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- keeping it true

    def start(self, *, watch: bool = True, hashing: bool = True) -> None:
        """Looks through the folders, watches them and hashes, all in the background."""
        if self._background is None:
            self._background = Background(
                self.roots, self.refresh, self.hasher, watch=watch, hashing=hashing)

    def stop(self) -> None:
        """Ends what `start` began; the list stays as it is."""
        background, self._background = self._background, None
        if background is not None:
            background.stop()

    def refresh(
        self, paths: Collection[Path] | None = None, on_progress: Progress | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> tuple[Change, ...]:
        """Makes the list true now: all of it, or only what lies at `paths`."""
        with self._turn:
            changes = reconcile(
                self.store, self.roots, self.inspector.inspect, paths, on_progress, cancelled)
        self._tell(changes)
        return changes

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """From now on `listener` hears every change; the result ends that."""
        return self._listeners.add(listener)

    def watch_status(self) -> WatchStatus:
        """Whether changes are noticed by themselves, and how."""
        if self._background is None:
            return WatchStatus("off", "it was not started", self.roots)
        return self._background.watch_status()

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the surfaces on what is not as it should be."""
        return self.store.notes

    # -- asking it

    def page(self, query: Query) -> Page:
        """One page of the list, as far as it is known now."""
        found = self.store.page(query)
        if self._background is not None and self.store.rebuilt != self._rebuilt:
            self._rebuilt = self.store.rebuilt  # the index was damaged and began again, empty
            self._background.look_everywhere()
        return found

    def entries(self, query: Query) -> Iterator[Entry]:
        return self.store.entries(query)

    def files(self) -> tuple[NetworkFile, ...]:
        """Every file that can be named in a prompt."""
        return self.names.files

    def resolve(self, name: str) -> NetworkFile:
        """The file that a name means, looked for on the disk where the list does not have it.

        The name that a file was trained under (`ss_output_name`) means it too, where no file is
        called so: AUTOMATIC1111's cards write that name by default.

        Raises:
            NetworkNotFoundError: no file has that name; the folders were looked through again.
            AmbiguousNameError: several files have it.
        """
        try:
            found = self.known(name)
            if found.path.exists():
                return found
        except NetworkNotFoundError:
            pass
        self.refresh()
        return self.known(name)

    def known(self, name: str) -> NetworkFile:
        """The file that a name means, as far as the list knows; raises as `resolve` does."""
        try:
            return self.names.resolve(name)
        except NetworkNotFoundError:
            same = self.store.with_alias(name)
            if not same:
                raise
        if len(same) > 1:
            raise AmbiguousNameError(name, sorted(self.names.short_name(e.file) for e in same))
        return same[0].file

    def entry(self, name: str) -> Entry:
        """The entry that a name means; raises as `resolve` does."""
        file = self.resolve(name)
        found = self.store.find(file.root, file.id)
        if found is None:
            raise NetworkNotFoundError(name)
        return found

    def details(self, entry: Entry) -> Details:
        """Everything about one entry; its file is read now."""
        return details.details_of(entry)

    def metadata(self, entry: Entry) -> Mapping[str, str]:
        """The metadata of an entry's header; its file is read now."""
        return details.metadata_of(entry)

    def judge(self, checkpoint: CheckpointFacts) -> str:
        """Works out what fits a checkpoint, once per structure, and returns its id for queries."""
        identity = self.id_of(checkpoint)
        answers = {
            profile: details.judge(entry, checkpoint).answer
            for profile, entry in self.store.profiles(identity).items()
        }
        self.store.set_verdicts(identity, answers)
        return identity

    def id_of(self, checkpoint: CheckpointFacts) -> str:
        """What queries call a checkpoint, whether it was judged by or not."""
        return _identity(checkpoint)

    @property
    def names(self) -> NetworkIndex:
        """Names as prompts use them, of every file that is there."""
        index = self._index
        if index is None:
            rows = self.store.known(self.roots).values()
            files = [_file(row) for row in rows if row.presence == "present"]
            searched = ", ".join(str(root) for root in self.roots)
            index = self._index = NetworkIndex(sorted(files, key=lambda one: one.id), searched)
        return index

    def _tell(self, changes: tuple[Change, ...]) -> None:
        if any(change.kind not in ("hashed", "user", "described") for change in changes):
            self._index = None
        self._listeners.tell(changes)

    def _tell_hashed(self, key: int, _: object) -> None:
        entry = self.store.get(key)
        if entry is not None:
            self._listeners.tell([Change("hashed", key, entry.file.id)])


def _reader() -> str:
    """What the facts depend on beside the files: with other families all are read again."""
    known = ",".join(one.key for one in FAMILIES)
    return f"{__version__}-{SUMMARY_FORMAT}-{digest(known.encode())[:8]}"


def _identity(checkpoint: CheckpointFacts) -> str:
    """A checkpoint by its place and state: a file that is replaced is judged anew."""
    path = Path(checkpoint.path)
    marker = path / "model_index.json" if path.is_dir() else path
    stamp = marker.stat().st_mtime_ns if marker.exists() else 0
    return f"{path.absolute()}|{stamp}"


def _file(row: Known) -> NetworkFile:
    size, mtime_ns, inode, ctime_ns = row.stamp
    path = row.path
    return NetworkFile(row.id, path.stem, path, Path(row.root), size, mtime_ns, inode, ctime_ns)
