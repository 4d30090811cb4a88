"""Files are hashed behind everything else: once, in a useful order, and only what is still so."""

import hashlib
import logging
import threading
import time
from pathlib import Path

import pytest
from loradex.catalog.disk.scan import scan_networks
from loradex.catalog.index.hashing import Hasher
from loradex.catalog.index.store import Gone, Put, SetPresence, Store
from loradex.catalog.records import FaultNote, FileFacts, Query, Summary
from loradex.errors import CancelledError, FileError
from loradex.files.hashes import FileHashes, hash_file

from tests.catalog.storekit import a_file, a_put, facts_of, until


@pytest.fixture
def root(tmp_path):
    (tmp_path / "Lora").mkdir()
    return tmp_path / "Lora"


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "index.db") as store:
        yield store
        assert store.notes == ()


def add(store, root, **contents):
    """Writes files and puts them into the store; returns their keys by name."""
    for name, content in contents.items():
        (root / f"{name}.pt").write_bytes(content)
    puts = [Put(file, facts_of(file.id)) for file in scan_networks([root])
            if store.find(root, file.id) is None]
    changes = store.apply(puts)
    return {change.id.removesuffix(".pt"): change.key for change in changes}


def sha256(content):
    return hashlib.sha256(content).hexdigest()


class Recorded:
    """`hash_file` that notes the order, and can be held up at each file."""

    def __init__(self):
        self.names = []
        self.running = threading.Semaphore(0)
        self.go = threading.Event()
        self.go.set()

    def __call__(self, path, cancelled):
        self.names.append(path.stem)
        self.running.release()
        while not self.go.wait(0.005):
            if cancelled():
                raise CancelledError(path.name, "stopped")
        return hash_file(path, cancelled)


def test_everything_is_hashed_small_files_first_and_told(store, root):
    keys = add(store, root, big=b"x" * 900, small=b"x", middle=b"x" * 50)
    told = {}
    recorded = Recorded()
    with Hasher(store, on_hashed=told.__setitem__, hash_one=recorded) as hasher:
        assert hasher.wait_idle(10)
        progress = hasher.progress()
    assert recorded.names == ["small", "middle", "big"]
    assert store.get(keys["big"]).sha256 == sha256(b"x" * 900)
    assert told[keys["small"]].sha256 == sha256(b"x")
    assert progress == (3, 3, 951, 951, 0)
    assert store.unhashed() == ()


def test_what_is_on_screen_goes_first(store, root):
    keys = add(store, root, **{f"f{n}": b"x" * (n + 1) for n in range(8)})
    recorded = Recorded()
    recorded.go.clear()
    with Hasher(store, hash_one=recorded) as hasher:
        recorded.running.acquire(timeout=10)
        hasher.prefer([keys["f6"], keys["f3"], 999])
        recorded.go.set()
        assert hasher.wait_idle(10)
    assert recorded.names == ["f0", "f6", "f3", "f1", "f2", "f4", "f5", "f7"]


def test_a_run_goes_on_where_the_last_one_stopped(store, root):
    add(store, root, **{f"f{n}": b"x" * (n + 1) for n in range(40)})
    first = Recorded()
    hasher = Hasher(store, hash_one=first).start()
    for _ in range(5):
        first.running.acquire(timeout=10)
    hasher.stop()
    done = store.hash_progress().done
    assert 4 <= done < 40
    second = Recorded()
    with Hasher(store, hash_one=second) as hasher:
        assert hasher.wait_idle(10)
    assert len(second.names) == 40 - done
    assert store.hash_progress().done == 40


def test_stop_ends_in_the_middle_of_a_file_and_leaves_no_thread(store, root):
    add(store, root, a=b"x")
    recorded = Recorded()
    recorded.go.clear()
    hasher = Hasher(store, hash_one=recorded).start()
    recorded.running.acquire(timeout=10)
    hasher.stop()
    hasher.stop()
    assert not [t for t in threading.enumerate() if t.name.startswith("loradex-hash")]
    assert store.hash_progress().done == 0


def test_pause_holds_and_resume_goes_on(store, root):
    add(store, root, a=b"1", b=b"22", c=b"333")
    recorded = Recorded()
    with Hasher(store, hash_one=recorded) as hasher:
        hasher.pause()
        hasher.pause()
        assert hasher.paused
        count = len(recorded.names)
        assert not hasher.wait_idle(0.05) or count == 3
        assert len(recorded.names) <= count + 1
        hasher.resume()
        assert hasher.wait_idle(10)
    assert store.hash_progress().done == 3


def test_a_pause_in_the_middle_of_a_file_keeps_what_was_read(store, root):
    keys = add(store, root, a=b"x" * 5_000_000)
    hasher = Hasher(store)
    asked = threading.Event()

    def slow(path, cancelled):
        def both():
            asked.set()
            return cancelled()
        return hash_file(path, both)

    hasher._hash_one = slow
    hasher.pause()
    with hasher:
        hasher.resume()
        assert asked.wait(10)
        hasher.pause()
        time.sleep(0.02)
        hasher.resume()
        assert hasher.wait_idle(10)
    assert store.get(keys["a"]).sha256 == sha256(b"x" * 5_000_000)


def test_a_stop_while_paused_ends(store, root):
    add(store, root, a=b"1")
    hasher = Hasher(store)
    hasher.pause()
    hasher.start()
    time.sleep(0.02)
    hasher.stop()
    assert not [each for each in threading.enumerate() if "hash" in each.name.lower()]


def test_a_file_that_changed_since_the_scan_waits_until_the_store_knows(store, root):
    keys = add(store, root, a=b"old")
    (root / "a.pt").write_bytes(b"newer")
    with Hasher(store) as hasher:
        assert hasher.wait_idle(10)
        assert store.get(keys["a"]).sha256 == ""
        (file,) = scan_networks([root])
        store.apply([Put(file, facts_of("new"), key=keys["a"])])
        hasher.wake()
        assert hasher.wait_idle(10)
        assert store.get(keys["a"]).sha256 == sha256(b"newer")
        assert hasher.notes == ()


def test_hashes_of_a_file_that_changes_while_it_is_read_are_not_stored(store, root):
    keys = add(store, root, a=b"old")

    def swapped(path, cancelled):
        hashes = hash_file(path, cancelled)
        path.write_bytes(b"swapped in between")
        return hashes

    with Hasher(store, hash_one=swapped) as hasher:
        assert hasher.wait_idle(10)
    assert store.get(keys["a"]).sha256 == ""


def test_an_unreadable_file_is_told_left_alone_and_tried_again_at_the_next_start(store, root):
    keys = add(store, root, bad=b"1", good=b"22")
    refused = []

    def refuse(path, cancelled):
        if path.stem == "bad":
            refused.append(path)
            raise FileError(path.name, "it is locked by another program")
        return hash_file(path, cancelled)

    for run in (1, 2):
        with Hasher(store, hash_one=refuse) as hasher:
            assert hasher.wait_idle(10)
            hasher.wake()
            assert hasher.wait_idle(10)
            assert hasher.progress() == (1, 2, 2, 3, 1)
            assert "bad.pt is not hashed: bad.pt: it is locked" in hasher.notes[0]
        assert len(refused) == run
    (root / "bad.pt").write_bytes(b"333")
    changed = next(file for file in scan_networks([root]) if file.id == "bad.pt")
    store.apply([Put(changed, facts_of("bad.pt"), key=keys["bad"])])
    assert [entry.key for entry in store.unhashed()] == [keys["bad"]]


def test_vanished_offline_and_unfinished_files_are_no_trouble(store, root):
    keys = add(store, root, gone=b"1", away=b"22", growing=b"333", here=b"4444", broken=b"x" * 9)
    (root / "gone.pt").unlink()
    store.apply([Gone(keys["away"])])
    files = {file.name: file for file in scan_networks([root])}
    store.apply([
        Put(files["growing"], FileFacts("unfinished", "g"), key=keys["growing"]),
        Put(files["broken"], FileFacts("broken", "b", fault=FaultNote("x", "y")),
            key=keys["broken"]),
    ])
    with Hasher(store, threads=2) as hasher:
        assert hasher.wait_idle(10)
        assert hasher.notes == ()
    hashed = {e.file.name for e in store.entries(Query(presence=())) if e.sha256}
    assert hashed == {"here", "broken"}
    store.apply([SetPresence(root, "offline")])
    assert store.unhashed() == ()


def test_new_files_are_hashed_once_the_hasher_is_woken(store, root):
    with Hasher(store) as hasher:
        assert hasher.wait_idle(10)
        keys = add(store, root, a=b"1")
        hasher.wake()
        until(lambda: store.get(keys["a"]).sha256)


def test_two_threads_hash_each_file_once(store, root):
    add(store, root, **{f"f{n}": b"x" * (n + 1) for n in range(60)})
    recorded = Recorded()
    with Hasher(store, threads=9, hash_one=recorded) as hasher:
        hasher.start()
        names = [t.name for t in threading.enumerate() if t.name.startswith("loradex-hash")]
        assert len(names) == 2
        assert hasher.wait_idle(20)
    assert sorted(recorded.names) == sorted({f"f{n}" for n in range(60)})


def test_a_listener_that_fails_ends_nothing(store, root, caplog):
    add(store, root, a=b"1", b=b"22")

    def fail(key, hashes):
        raise RuntimeError("no")

    with caplog.at_level(logging.ERROR), Hasher(store, on_hashed=fail) as hasher:
        assert hasher.wait_idle(10)
    assert store.hash_progress().done == 2


def test_a_closed_store_ends_the_threads(tmp_path, root):
    store = Store.open(tmp_path / "other.db")
    add(store, root, a=b"1")
    hasher = Hasher(store).start()
    assert hasher.wait_idle(10)
    store.close()
    hasher.wake()
    until(lambda: not [t for t in threading.enumerate() if t.name.startswith("loradex-hash")])
    assert hasher.wait_idle(1)
    hasher.stop()


class TestSameContent:
    def put(self, store, name, sha, tensors="", session=""):
        (change,) = store.apply([a_put(name, summary=Summary(session=session))])
        hashes = FileHashes(sha * 32, tensors * 32, 100)
        assert store.set_hashes(change.key, a_file(name).stamp, hashes)
        return change.key

    def test_the_same_bytes_and_the_same_tensors_are_found(self, store):
        a = self.put(store, "a.pt", "aa", "11")
        b = self.put(store, "b.pt", "aa", "11")
        c = self.put(store, "c.pt", "cc", "11", session="run")
        d = self.put(store, "d.pt", "dd", "22", session="run")
        self.put(store, "e.pt", "ee", "")
        self.put(store, "f.pt", "ff", "")
        assert [e.key for e in store.same_content(a)] == [b, c]
        assert [e.key for e in store.same_content(d)] == []
        groups = {(g.kind, g.keys) for g in store.duplicates()}
        assert groups == {
            ("same_file", (a, b)), ("same_tensors", (a, b, c)), ("same_run", (c, d)),
        }
        store.apply([Gone(b)])
        assert {(g.kind, g.keys) for g in store.duplicates()} == {
            ("same_tensors", (a, c)), ("same_run", (c, d)),
        }

    def test_copies_alone_are_no_group_of_tensors_or_of_a_run(self, store):
        self.put(store, "a.pt", "aa", "11", "run")
        self.put(store, "b.pt", "aa", "11", "run")
        assert [g.kind for g in store.duplicates()] == ["same_file"]

    def test_networks_without_a_tensor_are_not_alike(self, store):
        keys = []
        for name, sha in (("a.pt", "aa"), ("b.pt", "bb")):
            (change,) = store.apply([a_put(name)])
            hashes = FileHashes(sha * 32, hashlib.sha256(b"").hexdigest(), 100)
            store.set_hashes(change.key, a_file(name).stamp, hashes)
            keys.append(change.key)
        assert store.duplicates() == ()
        assert store.same_content(keys[0]) == ()


def test_the_default_reads_the_real_bytes(store, root):
    keys = add(store, root, a=Path(__file__).read_bytes())
    with Hasher(store) as hasher:
        assert hasher.wait_idle(10)
    assert store.get(keys["a"]).sha256 == sha256(Path(__file__).read_bytes())
