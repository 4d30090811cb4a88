"""The index of all files: opened, asked and changed from any thread, whole whatever happens."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from loradex.catalog.index import (
    hash_rows,
    light_rows,
    lookups,
    queries,
    rows,
    user_rows,
    verdict_rows,
)
from loradex.catalog.index.apply import apply_updates
from loradex.catalog.index.hash_rows import Group, HashProgress
from loradex.catalog.index.lifetime import Lifetime
from loradex.catalog.index.light_rows import LightRow
from loradex.catalog.index.recover import has_full_text
from loradex.catalog.index.texts import clean
from loradex.catalog.index.updates import Gone, Known, Put, SetPresence, Update
from loradex.catalog.index.upkeep import Upkeep
from loradex.catalog.index.user_data import changed
from loradex.catalog.network_file import Stamp
from loradex.catalog.records import Change, Entry, Page, Query, UserData
from loradex.files.hashes import FileHashes

__all__ = ["Gone", "Group", "HashProgress", "Known", "Put", "SetPresence", "Store", "Update"]

_ROWS_AT_ONCE = 200


class Store:
    """Every file of a set of roots, with what it is, what was said of it and its hashes.

    All methods may be called from any thread and any number of processes. No method fails because
    of the database: a broken one is set aside and built again (`notes` says so, `rebuilt` counts,
    and whoever knows the roots scans them then). What the user said is exported beside it.
    """

    def __init__(self, path: Path | None = None, reader: str = "") -> None:
        self._upkeep = Upkeep(path, reader)
        self._database = Lifetime(path, self._upkeep.prepare)
        self._upkeep.start(self._database)

    @classmethod
    def open(cls, path: Path | None, reader: str = "") -> Store:
        """The store of a file, which need not exist; None keeps it in memory.

        `reader` names the version of what reads and judges files: under another one, all files
        count as changed and no verdict holds, so that an update reaches every row.
        """
        return cls(path, reader)

    def close(self) -> None:
        """Writes the export if it waits, and ends the thread and all connections."""
        self._upkeep.stop()
        self._database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def path(self) -> Path | None:
        return self._database.path

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the surfaces on what went wrong with the index."""
        return (*self._database.notes, *self._upkeep.notes)

    @property
    def rebuilt(self) -> int:
        """How often the index was begun anew since it was opened."""
        return self._database.rebuilt

    # -- what the disk side asks and tells

    def known(self, roots: Sequence[Path | str] | None = None) -> Mapping[tuple[str, str], Known]:
        """Every listed row of some roots (None: of all), by root and id."""
        def read(connection: sqlite3.Connection) -> dict[tuple[str, str], Known]:
            where = "f.presence < 2"
            values: tuple[bytes, ...] = ()
            if roots is not None:
                marks = ", ".join("?" * len(roots))
                where += f" AND f.root IN (SELECT id FROM roots WHERE path IN ({marks}))"
                values = tuple(os.fsencode(root) for root in roots)
            found = rows.known_of(connection, where, values)
            return {each[1:3]: each for each in found}

        return self._database.read(read)

    def gone_or_any_by_fingerprint(
        self, fingerprints: Iterable[str]
    ) -> Mapping[str, tuple[Known, ...]]:
        """Rows of these contents, also those that are gone: listed ones first."""
        wanted = sorted({each for each in fingerprints if each})

        def read(connection: sqlite3.Connection) -> dict[str, tuple[Known, ...]]:
            found: dict[str, tuple[Known, ...]] = {}
            for chunk in rows.chunks(wanted):
                marks = ", ".join("?" * len(chunk))
                where = f"f.fingerprint IN ({marks}) ORDER BY f.presence, f.key"
                for each in rows.known_of(connection, where, chunk):
                    found[each.fingerprint] = (*found.get(each.fingerprint, ()), each)
            return found

        return self._database.read(read)

    def apply(self, updates: Sequence[Update]) -> tuple[Change, ...]:
        """Carries all updates into the index as one transaction, and tells what changed.

        Rows may change places freely within one call. A row that stands where a put is now, and
        that has no new place itself, becomes gone.
        """
        if not updates:
            return ()
        changes = self._database.write(lambda c: apply_updates(c, updates, time.time_ns()))
        if changes:
            self._upkeep.after_changes()
        return changes

    # -- lists

    def page(self, query: Query) -> Page:
        """The entries of a query's page, and how many there are on all pages."""
        query = queries.valid(query)

        def read(connection: sqlite3.Connection) -> Page:
            full_text = has_full_text(connection)
            keys = queries.keys(connection, query, full_text)
            total = queries.count(connection, query, full_text)
            return Page(rows.listed_of(connection, keys, query.checkpoint), total)

        return self._database.read(read)

    def count(self, query: Query) -> int:
        """How many entries a query has, whatever its page."""
        query = queries.valid(query)
        return self._database.read(lambda c: queries.count(c, query, has_full_text(c)))

    def keys(self, query: Query) -> tuple[int, ...]:
        """The keys of a query's page, in order."""
        query = queries.valid(query)
        return self._database.read(lambda c: tuple(queries.keys(c, query, has_full_text(c))))

    def entries(self, query: Query) -> Iterator[Entry]:
        """The entries of a query's page, a few at a time: memory stays small without a limit."""
        for chunk in rows.chunks(self.keys(query), _ROWS_AT_ONCE):
            yield from self.get_many(chunk, query.checkpoint)

    def facets(self, query: Query) -> Mapping[str, Mapping[str, int]]:
        """family, status, folder, type, tag, verdict -> value -> number of entries."""
        query = queries.valid(query)
        return self._database.read(lambda c: queries.facets(c, query, has_full_text(c)))

    def folders(self, query: Query | None = None) -> Mapping[str, int]:
        """Every folder of a query, whatever its own folder, with the entries in and below it."""
        query = queries.valid(query or Query())
        return self._database.read(lambda c: queries.folders(c, query, has_full_text(c)))

    def get(self, key: int, checkpoint: str = "") -> Entry | None:
        """One entry, also when it is gone."""
        return next(iter(self.get_many([key], checkpoint)), None)

    def get_many(self, keys: Sequence[int], checkpoint: str = "") -> tuple[Entry, ...]:
        """Entries in the order of their keys; unknown keys are left out."""
        name = clean(checkpoint)
        return self._database.read(lambda c: rows.entries_of(c, keys, name))

    def light(self, keys: Sequence[int] | None = None, checkpoint: str = "") -> list[LightRow]:
        """What cards show of some listed entries (None: of all), in a tenth of an entry's time."""
        name = clean(checkpoint)
        return self._database.read(lambda c: light_rows.read(c, keys, name))

    def find(self, root: Path | str, file_id: str) -> Entry | None:
        """The listed entry at a place."""
        sql = """
            SELECT f.key FROM files f JOIN roots r ON r.id = f.root
            WHERE r.path = ? AND f.id = ? AND f.presence < 2
        """
        values = (os.fsencode(root), clean(file_id))

        def read(connection: sqlite3.Connection) -> Entry | None:
            keys = [key for (key,) in connection.execute(sql, values)]
            return next(iter(rows.entries_of(connection, keys)), None)

        return self._database.read(read)

    def with_alias(self, alias: str) -> tuple[Entry, ...]:
        """Entries that are there and whose metadata calls them so (`ss_output_name`)."""
        return self._database.read(
            lambda c: rows.entries_of(c, lookups.by_alias(c, clean(alias))))

    def with_tensor_hash(self, digits: str) -> tuple[Entry, ...]:
        """Entries that are there and whose tensor hash begins so, as far as hashed."""
        return self._database.read(
            lambda c: rows.entries_of(c, lookups.by_tensor_hash(c, digits)))

    # -- what the user says

    def set_user(self, key: int, **changes: object) -> UserData:
        """Changes favourite, rating, tags, notes or family of an entry; the rest stays.

        Raises:
            InputError: there is no such entry or field, or a value is not valid.
        """
        def write(connection: sqlite3.Connection) -> tuple[UserData, list[dict[str, Any]]]:
            before = user_rows.read_user(connection, key)
            after = changed(before, changes)
            if after != before:
                user_rows.write_user(connection, key, after)
            return after, user_rows.records(connection, key)

        user, records = self._database.write(write)
        self._upkeep.remember(records)
        self._upkeep.after_changes()
        return user

    # -- hashes

    def unhashed(self, prefer: Sequence[int] = (), limit: int = 100) -> tuple[Entry, ...]:
        """Present entries to hash: the preferred ones first, then small files before large ones."""
        return self._database.read(
            lambda c: rows.listed_of(c, hash_rows.waiting(c, prefer, limit))
        )

    def set_hashes(self, key: int, stamp: Stamp, hashes: FileHashes) -> bool:
        """Stores hashes; False and nothing stored where the file is no longer of that stamp."""
        kept = self._database.write(lambda c: hash_rows.keep(c, key, stamp, hashes))
        self._upkeep.after_changes()
        return kept

    def set_unreadable(self, key: int, stamp: Stamp) -> None:
        """Takes a file out of `unhashed` until its stamp changes."""
        self._database.write(lambda c: hash_rows.fail(c, key, stamp))

    def retry_unreadable(self) -> None:
        """Puts the files back into `unhashed` that could not be read."""
        self._database.write(hash_rows.retry_failed)

    def hash_progress(self) -> HashProgress:
        return self._database.read(hash_rows.progress)

    def same_content(self, key: int) -> tuple[Entry, ...]:
        """Other listed entries with the same bytes or the same tensors, as far as hashed."""
        return self._database.read(lambda c: rows.entries_of(c, hash_rows.same_content(c, key)))

    def duplicates(self) -> tuple[Group, ...]:
        """Listed entries that share a file hash, a tensor hash or a training run."""
        return self._database.read(lambda c: tuple(hash_rows.groups(c)))

    # -- verdicts

    def profiles(self, checkpoint: str) -> Mapping[str, Entry]:
        """Profile -> one entry of it, for all profiles that the checkpoint has no verdict on."""
        def read(connection: sqlite3.Connection) -> dict[str, Entry]:
            found = verdict_rows.unjudged(connection, checkpoint)
            entries = rows.listed_of(connection, list(found.values()))
            return dict(zip(found, entries, strict=True))

        return self._database.read(read)

    def set_verdicts(self, checkpoint: str, answers: Mapping[str, str]) -> None:
        """Keeps the answers for some profiles; verdicts on the last 20 checkpoints are kept."""
        self._database.write(lambda c: verdict_rows.keep(c, checkpoint, answers))

    def forget_verdicts(self, checkpoint: str) -> None:
        """Drops a checkpoint's answers, so that all its profiles are judged again."""
        self._database.write(lambda c: verdict_rows.forget(c, checkpoint))
