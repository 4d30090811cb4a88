"""Files whose contents are a few letters, a reader of them, and a library in a temporary folder."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from hashlib import blake2b

from loradex.catalog.disk.reconcile import reconcile
from loradex.catalog.disk.scan import scan_tree
from loradex.catalog.disk.watch import Watcher
from loradex.catalog.index.store import Store
from loradex.catalog.records import FileFacts, Query, Summary


@dataclass(frozen=True)
class Seen:
    facts: FileFacts
    summary: Summary = field(default_factory=Summary)


def print_of(content: bytes) -> str:
    return blake2b(content, digest_size=6).hexdigest()


def inspect(file, names=None):
    """As `catalog.inspect`, for files that need no structure: their bytes are what they are."""
    try:
        content = file.path.read_bytes()
    except OSError:
        return Seen(FileFacts("broken", ""))
    beside = sorted(name for name in names or () if name.endswith((".json", ".txt")))
    notes = "|".join(_text(file.path.with_name(name)) for name in beside)
    return Seen(FileFacts("ok", print_of(content)), Summary(notes=notes))


def _text(path):
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


class Library:
    """Some roots and the real store, and what the store says of them."""

    def __init__(self, *roots):
        self.roots = roots
        self.store = Store.open(None)
        self.read = []

    def inspect(self, file, names=None):
        self.read.append(file.id)
        return inspect(file, names)

    def reconcile(self, *paths, **options):
        """Everything, or only these paths; returns (kind, id) of each change."""
        self.read.clear()
        changes = reconcile(self.store, self.roots, self.inspect, paths or None, **options)
        return sorted((change.kind, change.id) for change in changes)

    def entries(self, *presence):
        query = Query(presence=presence or ("present", "offline"), limit=None)
        return {(str(e.file.root), e.file.id): e for e in self.store.page(query).entries}

    def ids(self, *presence):
        return sorted(place[1] for place in self.entries(*presence))

    def star(self, id_, token):
        """Something that the user says of a file."""
        self.store.set_user(self.find(id_).key, notes=token)

    def find(self, id_):
        (entry,) = [e for place, e in self.entries().items() if place[1] == id_]
        return entry

    def stars(self):
        return {id_: e.user.notes for (_, id_), e in self.entries().items() if e.user.notes}

    def is_true(self):
        """Whether the store says of every file what a fresh look says."""
        fresh = {}
        for each in scan_tree(self.roots).files:
            seen = inspect(each.file, each.companions)
            fresh[str(each.file.root), each.file.id] = (
                each.file, seen.facts.fingerprint, seen.summary.notes
            )
        held = {
            place: (e.file, e.facts.fingerprint, e.summary.notes)
            for place, e in self.entries("present").items()
        }
        assert held == fresh
        return True

    def close(self):
        self.store.close()


def model(content: str) -> bytes:
    """A whole safetensors file whose data is this text."""
    data = content.encode()
    entry = {"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)]}
    header = json.dumps({"a": entry}).encode()
    return len(header).to_bytes(8, "little") + header + data


def wait_until(check, seconds=10.0):
    """Fails where something is not so in time; returns the seconds that it took."""
    begun = time.monotonic()
    while not check():
        assert time.monotonic() - begun < seconds, "it did not happen in time"
        time.sleep(0.02)
    return time.monotonic() - begun


class Live:
    """A library that a watcher keeps true."""

    def __init__(self, *roots, **how):
        self.library = Library(*roots)
        self.batches = []
        self.looks = 0
        self.watcher = Watcher(roots, self._look, **how)

    def _look(self, paths):
        self.batches.append(set(paths))
        self.library.reconcile(*paths)
        self.looks += 1

    def start(self):
        """Until the first look is over: on a busy machine it would list a file half written."""
        before = self.looks
        self.watcher.start()
        wait_until(lambda: self.looks > before)
        return self

    def wait_for(self, *ids, seconds=10.0):
        """Until exactly these files are listed."""
        return wait_until(lambda: self.library.ids("present") == sorted(ids), seconds)

    def close(self):
        self.watcher.stop()
        self.library.close()
