"""A small library on the real disk with a private bin, and everything that organising needs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from loradex.catalog.disk.scan import scan_tree
from loradex.catalog.index.store import Store
from loradex.catalog.index.updates import Put
from loradex.catalog.organising.journal import Journal
from loradex.catalog.organising.organise import Organiser
from loradex.catalog.records import FileFacts, Summary


class Inspected:
    """A file's bytes stand for what is in them."""

    def __init__(self, file):
        digest = hashlib.sha256(file.path.read_bytes()).hexdigest()
        self.facts, self.summary = FileFacts("ok", digest), Summary()


class Library:
    """Files below a root, rows in a store, and an organiser over both."""

    def __init__(self, base: Path, *names: str):
        self.base = base
        self.roots = tuple(base / name for name in names or ("Lora",))
        for root in self.roots:
            root.mkdir(parents=True, exist_ok=True)
        self.root = self.roots[0]
        self.home = base / "catalog-home"
        self.store = Store.open(None)
        self.journal = Journal(self.home / "journal.jsonl")
        self.organiser = self.open()

    def open(self, **parts) -> Organiser:
        """Another organiser over the same disk, as after a restart."""
        return Organiser(
            self.store, self.roots, Journal(self.journal.path),
            inspect=lambda file, names=None: Inspected(file), **parts,
        )

    def write(self, *names: str, root: Path | None = None) -> None:
        """Each file holds its own name, so that a mix-up shows."""
        for name in names:
            path = (root or self.root) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode() * 3)

    def add(self, *names: str, root: Path | None = None) -> int:
        """Writes the files and lists them; the key of the first one."""
        self.write(*names, root=root)
        self.scan()
        return self.key(names[0], root)

    def scan(self) -> None:
        for scanned in scan_tree(self.roots).files:
            file = scanned.file
            old = self.store.find(file.root, file.id)
            self.store.apply([Put(file, Inspected(file).facts, key=old.key if old else None,
                                  companions_stamp=scanned.companions_stamp)])  # fmt: skip

    def key(self, id_: str, root: Path | None = None) -> int:
        return self.store.find(root or self.root, id_).key

    def id_of(self, key: int) -> str:
        entry = self.store.get(key)
        return entry.file.id if entry.presence == "present" else entry.presence

    def tree(self) -> dict[str, bytes]:
        """Every file below the roots, hidden ones too: nothing may be left behind."""
        return {
            path.relative_to(self.base).as_posix(): path.read_bytes()
            for root in self.roots
            for path in root.rglob("*")
            if path.is_file()
        }

    def ids(self) -> set[str]:
        return {path.partition("/")[2] for path in self.tree()}

    def journal_ops(self):
        return self.journal.operations()

    def true(self) -> bool:
        """Whether the store knows what a fresh scan finds: the watcher has nothing to do."""
        known = {
            place: (row.stamp, row.companions_stamp)
            for place, row in self.store.known(self.roots).items()
        }
        return known == {
            (str(s.file.root), s.file.id): (s.file.stamp, s.companions_stamp)
            for s in scan_tree(self.roots).files
        }


@pytest.fixture
def bin_(own_bin):
    return own_bin


@pytest.fixture
def make_library(bin_):
    made = []

    def make(base, *names):
        made.append(Library(base, *names))
        return made[-1]

    yield make
    for each in made:
        each.store.close()


@pytest.fixture
def library(tmp_path, make_library):
    return make_library(tmp_path)


@pytest.fixture
def libraries(tmp_path, make_library):
    """Two roots."""
    return make_library(tmp_path, "Lora", "More")
