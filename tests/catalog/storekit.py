"""Files, facts and stores for the tests of the index."""

from __future__ import annotations

import time
from pathlib import Path

from loradex.catalog.index.store import Put
from loradex.catalog.index.upkeep import _has_unindexed
from loradex.catalog.network_file import NetworkFile
from loradex.catalog.records import FileFacts, Summary

ROOT = Path("/models/Lora")


def a_file(file_id="ink.safetensors", root=ROOT, size=100, mtime_ns=1, inode=1, ctime_ns=1):
    name = Path(file_id).stem
    return NetworkFile(file_id, name, root / file_id, root, size, mtime_ns, inode, ctime_ns)


def facts_of(fingerprint="f", **more):
    return FileFacts("ok", fingerprint, **{"structure": "s", "kind": "lora", **more})


def a_put(file_id="ink.safetensors", fingerprint=None, key=None, summary=None, facts=None, **file):
    """A file whose fingerprint is its id, unless told."""
    found = facts or facts_of(fingerprint or file_id)
    return Put(a_file(file_id, **file), found, summary or Summary(), key=key)


def fill(store, *ids, **more):
    """Adds files and returns their keys in order."""
    changes = store.apply([a_put(each, **more) for each in ids])
    return [change.key for change in changes]


def indexed(store):
    """Brings the words of all rows into the index of words now."""
    while store._upkeep._index():
        pass
    assert not store._database.read(_has_unindexed)


def until(done, seconds=10.0):
    """Waits until something is so."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)
