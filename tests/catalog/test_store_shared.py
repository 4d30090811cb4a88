"""Threads, processes and crashes: every reader sees whole states, and nothing waits for long."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from loradex.catalog.index.store import Gone, Store
from loradex.catalog.records import Query
from loradex.errors import LoradexError

from tests.catalog.storekit import ROOT, a_put, fill, indexed, until

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "index.db"


def run_all(*works):
    """Runs functions at the same time and returns what they raised."""
    errors = []

    def guarded(work):
        try:
            work()
        except (LoradexError, sqlite3.Error, AssertionError) as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


@pytest.mark.parametrize("memory", [False, True])
def test_many_readers_see_whole_states_while_one_writes(path, memory):
    """Files come and go in tens: no list ever holds a part of them."""
    done = threading.Event()
    totals = set()

    def write(store):
        for number in range(25):
            keys = fill(store, *(f"{number}-{n}.pt" for n in range(10)))
            if number % 2:
                store.apply([Gone(key) for key in keys])
            else:
                store.set_user(keys[0], rating=number % 10, tags=[str(number)])
        done.set()

    def read(store):
        while not done.is_set():
            page = store.page(Query(limit=20, text=random.choice(("", "pt", "1"))))
            assert page.total >= len(page.entries)
            totals.add(store.page(Query(limit=None)).total)
            assert len(store.known()) % 10 == 0
            store.facets(Query())

    with Store.open(None if memory else path) as store:
        assert run_all(lambda: write(store), *[lambda: read(store)] * 4) == []
        assert store.count(Query()) == 130
        assert store.notes == ()
    assert {total % 10 for total in totals} <= {0}


def test_many_writers_lose_nothing(path):
    with Store.open(path) as store:
        def add(name):
            for number in range(20):
                (key,) = fill(store, f"{name}/{number}.pt")
                store.set_user(key, notes=f"{name} {number}")

        assert run_all(*(lambda name=name: add(name) for name in "abcdef")) == []
        found = {e.file.id: e.user.notes for e in store.entries(Query(limit=None))}
    assert found == {f"{a}/{n}.pt": f"{a} {n}" for a in "abcdef" for n in range(20)}


def test_closing_while_others_read_ends_them_and_leaves_nothing_open(path):
    store = Store.open(path)
    fill(store, *(f"{n}.pt" for n in range(200)))

    def read():
        while True:
            store.page(Query(limit=200))

    threads = threading.active_count()
    errors = []
    readers = [threading.Thread(target=lambda: errors.extend(run_all(read))) for _ in range(3)]
    for thread in readers:
        thread.start()
    time.sleep(0.05)
    store.close()
    for thread in readers:
        thread.join(5)
        assert not thread.is_alive()
    assert {type(error).__name__ for error in errors} == {"CancelledError"}
    assert threading.active_count() <= threads


def test_words_are_indexed_by_the_stores_own_thread_soon(path):
    with Store.open(path) as store:
        fill(store, "ink.pt")
        count = "SELECT COUNT(*) FROM unindexed"
        until(lambda: store._database.read(lambda c: c.execute(count).fetchone()) == (0,))
        names = [t.name for t in threading.enumerate()]
        assert names.count("loradex-index") == 1
    assert "loradex-index" not in [t.name for t in threading.enumerate()]


def test_an_index_that_is_only_read_starts_no_thread(path):
    with Store.open(path) as store:
        fill(store, "a.pt")
        indexed(store)
    with Store.open(path) as store:
        store.page(Query(text="a"))
        store.known()
        assert "loradex-index" not in [t.name for t in threading.enumerate()]


SCRIPT = """
import sys
from pathlib import Path
from loradex.catalog.index.store import Store
from loradex.catalog.records import Query
from tests.catalog.storekit import fill
store = Store.open(Path(sys.argv[1]))
print("ready", flush=True)
for number in range(int(sys.argv[3])):
    keys = fill(store, *(f"{sys.argv[2]}/{number}-{n}.pt" for n in range(10)))
    store.set_user(keys[0], favourite=True)
store.close()
assert store.notes == (), store.notes
"""


def process(path, name, rounds):
    folders = [str(CHECKOUT / "extension"), str(CHECKOUT)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SCRIPT, str(path), name, str(rounds)],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )


def test_two_processes_that_make_and_fill_one_index_both_succeed(path):
    both = [process(path, name, 20) for name in "ab"]
    for each in both:
        _, errors = each.communicate(timeout=60)
        assert each.returncode == 0, errors
    with Store.open(path) as store:
        assert store.count(Query()) == 400
        assert store.count(Query(favourite=True)) == 40
        assert store.notes == ()
    assert '"a/19-0.pt"' in path.with_name("index.user.json").read_text()
    assert '"b/19-0.pt"' in path.with_name("index.user.json").read_text()


def test_one_process_sees_what_the_other_writes(path):
    with Store.open(path) as store:
        fill(store, "mine.pt")
        assert store.count(Query(text="mine")) == 1
        other = process(path, "b", 3)
        _, errors = other.communicate(timeout=60)
        assert other.returncode == 0, errors
        assert store.count(Query()) == 31
        assert store.count(Query(text="b/2-")) + store.count(Query(text="2-3")) > 0


@pytest.mark.skipif(sys.platform == "win32", reason="no kill -9 there")
@pytest.mark.parametrize("wait_s", [0.0, 0.03, 0.1, 0.3])
def test_a_process_killed_while_it_writes_leaves_a_whole_index(path, wait_s):
    victim = process(path, "v", 10**6)
    assert victim.stdout.readline() == "ready\n"
    time.sleep(wait_s)
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    with Store.open(path) as store:
        total = store.count(Query())
        assert total % 10 == 0
        assert store.count(Query(text="v")) == total
        indexed(store)
        assert len(list(store.entries(Query(limit=None)))) == total
        assert total // 10 - store.count(Query(favourite=True)) in (0, 1)
        fill(store, "after.pt")
        assert store.notes == ()
        check = store._database.read(lambda c: c.execute("PRAGMA integrity_check").fetchone())
        assert check == ("ok",)


def test_the_export_is_due_after_a_crash(path):
    store = Store.open(path)
    (key,) = fill(store, "a.pt")
    store.set_user(key, favourite=True)
    store._upkeep._keeper.stop()
    store._database.close()  # as a crash: without the export
    assert not path.with_name("index.user.json").exists()
    Store.open(path).close()
    assert "a.pt" in path.with_name("index.user.json").read_text()


def plan(store, sql, *values):
    rows = store._database.read(lambda c: c.execute("EXPLAIN QUERY PLAN " + sql, values).fetchall())
    return " / ".join(row[3] for row in rows)


def executed(store, query):
    """The statements of a page, with their values put in."""
    seen = []

    def trace(connection):
        connection.set_trace_callback(seen.append)

    store._database.read(trace)
    store.page(query)
    store._database.read(lambda connection: connection.set_trace_callback(None))
    return [sql for sql in seen if "FROM entries e" in sql or "CROSS JOIN entries" in sql]


@pytest.mark.parametrize("sort", ["name", "path", "added", "modified", "size", "rating", "family"])
@pytest.mark.parametrize("descending", [False, True])
def test_the_whole_list_is_read_in_the_order_of_an_index(path, sort, descending):
    with Store.open(path) as store:
        fill(store, *(f"{n}.pt" for n in range(50)))
        keys, count = executed(store, Query(sort=sort, descending=descending, offset=30))[:2]
        assert f"USING INDEX by_{sort}" in plan(store, keys)
        assert "TEMP B-TREE" not in plan(store, keys)
        assert "INDEX" in plan(store, count)


def test_a_search_begins_with_what_the_words_find(path):
    with Store.open(path) as store:
        fill(store, *(f"{n}.pt" for n in range(50)))
        indexed(store)
        for query in (Query(text="ink"), Query(text="ink", families=("sdxl",), sort="relevance")):
            for sql in executed(store, query):
                steps = plan(store, sql)
                assert "VIRTUAL TABLE INDEX" in steps
                assert "SCAN e" not in steps
                assert "SEARCH e USING INTEGER PRIMARY KEY" in steps


def test_a_place_a_content_and_a_key_are_looked_up(path):
    with Store.open(path) as store:
        fill(store, *(f"{n}.pt" for n in range(50)))
        for sql in (
            "SELECT key FROM files WHERE root = 1 AND id = 'x' AND presence < 2",
            "SELECT key FROM files f WHERE f.fingerprint IN ('a', 'b') ORDER BY f.presence, f.key",
            "SELECT key FROM hashes WHERE tensor_sha256 = x'00'",
        ):
            assert "SCAN" not in plan(store, sql)
        assert store.find(ROOT, "7.pt").file == a_put("7.pt").file
