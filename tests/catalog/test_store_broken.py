"""Whatever happens to the index's file: the store answers, says so, and keeps the user's data."""

import itertools
import shutil
import sqlite3
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loradex.catalog.index import connections, recover, schema
from loradex.catalog.index.store import Gone, Store
from loradex.catalog.records import Query
from loradex.errors import CancelledError, InputError, LoradexError
from loradex.files.hashes import FileHashes

from tests.catalog.storekit import ROOT, a_file, a_put, fill, indexed

HASHES = FileHashes("ab" * 32, "cd" * 32, 100)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "index.db"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A closed index of 60 files, some with user data, words indexed; and its export."""
    path = tmp_path_factory.mktemp("whole") / "index.db"
    with Store.open(path) as store:
        keys = fill(store, *(f"f{n % 3}/name{n}.pt" for n in range(60)))
        for key in keys[::10]:
            store.set_user(key, favourite=True, notes=f"note {key}", tags=["mine"])
            store.set_hashes(key, a_file().stamp, HASHES)
        store.set_verdicts("ck", dict.fromkeys(store.profiles("ck"), "fits"))
        indexed(store)
    return path


def copy(whole, folder):
    for each in whole.parent.iterdir():
        shutil.copy2(each, folder / each.name)
    return folder / whole.name


def rebuild(store):
    """What a scan after the loss would put."""
    here = {file_id for _, file_id in store.known()}
    names = [f"f{n % 3}/name{n}.pt" for n in range(60)]
    fill(store, *(name for name in names if name not in here))


def use(store):
    """Every method; none may raise."""
    store.known([ROOT])
    store.gone_or_any_by_fingerprint(["f0/name0.pt"])
    for text in ("", "name", "a", "note mine"):
        for sort in ("name", "size", "rating", "relevance"):
            store.page(Query(text=text, sort=sort, checkpoint="ck", verdicts=("fits", "")))
    list(store.entries(Query(limit=None)))
    store.facets(Query(checkpoint="ck"))
    store.folders()
    store.unhashed([1, 2], 5)
    store.hash_progress()
    store.duplicates()
    store.same_content(1)
    store.profiles("ck2")
    store.set_verdicts("ck2", dict.fromkeys(store.profiles("ck2"), "fits"))
    store.get(5)
    changes = store.apply([a_put("new/one.pt"), a_put("f0/name3.pt", "f0/name3.pt", 4), Gone(7)])
    rebuilt = store.rebuilt
    try:
        store.set_user(changes[0].key, rating=1, tags=["x"])
    except InputError:  # the damage showed in this very call: the new index has no such row yet
        assert store.rebuilt > rebuilt
    store.set_hashes(changes[0].key, a_file().stamp, HASHES)
    indexed(store)
    rebuild(store)


def stars(store):
    return {e.file.id for e in store.entries(Query(favourite=True, limit=None))}


STARRED = {f"f{n % 3}/name{n}.pt" for n in range(0, 60, 10)}


class TestSetAside:
    def breakages(self, path):
        def write(data, at=0):
            with path.open("r+b") as file:
                file.seek(at)
                file.write(data)

        def sql(*statements):
            connection = sqlite3.connect(path)
            for statement in statements:
                connection.execute(statement)
            connection.commit()
            connection.close()

        size = path.stat().st_size
        return {
            "text": lambda: path.write_text("this was never a database" * 100),
            "short": lambda: path.write_bytes(b"SQL"),
            "no header": lambda: write(b"\0" * 100),
            "truncated": lambda: path.write_bytes(path.read_bytes()[: size // 2]),
            "half of the first page": lambda: path.write_bytes(path.read_bytes()[:2048]),
            "zeroed pages": lambda: write(b"\0" * (size - 8192), 8192),
            "random pages": lambda: write(bytes(range(256)) * ((size - 4096) // 256), 4096),
            "missing table": lambda: sql("DROP TABLE details"),
            "missing index": lambda: sql("DROP INDEX by_name"),
            "missing column": lambda: sql("ALTER TABLE entries RENAME COLUMN family TO tribe"),
            "other version": lambda: sql(f"PRAGMA user_version = {schema.VERSION + 1}"),
            "bad JSON": lambda: sql("UPDATE details SET facts = substr(facts, 2)"),
            "bad numbers": lambda: sql("UPDATE files SET size = 'many'"),
            "no description": lambda: sql("DELETE FROM meta"),
        }

    @pytest.mark.parametrize("kind", [
        "text", "short", "no header", "truncated", "half of the first page", "zeroed pages",
        "random pages", "missing table", "missing index", "missing column", "other version",
        "bad JSON", "bad numbers", "no description",
    ])
    def test_a_broken_index_is_set_aside_built_again_and_said(self, whole, tmp_path, kind):
        path = copy(whole, tmp_path)
        self.breakages(path)[kind]()
        with Store.open(path) as store:
            use(store)
            assert stars(store) == STARRED
            assert len(store.notes) == 1
            assert "index.db.broken-" in store.notes[0]
        assert list(tmp_path.glob("index.db.broken-*"))
        with Store.open(path) as store:
            assert store.notes == ()
            assert stars(store) == STARRED

    def test_it_may_break_while_it_is_open(self, whole, tmp_path):
        path = copy(whole, tmp_path)
        with Store.open(path) as store:
            assert store.page(Query()).total == 60
            store.set_user(store.find(ROOT, "f1/name1.pt").key, notes="not exported yet")
            with path.open("r+b") as file:
                file.seek(0)
                file.write(b"\xff" * path.stat().st_size)
            path.with_name("index.db-wal").write_bytes(b"")
            use(store)
            assert store.rebuilt == 1
            assert stars(store) == STARRED
            assert store.find(ROOT, "f1/name1.pt").user.notes == "not exported yet"
            assert "broken" in store.notes[0]

    def test_it_may_be_deleted_while_it_is_open(self, whole, tmp_path):
        path = copy(whole, tmp_path)
        with Store.open(path) as store:
            store.page(Query())
            for each in tmp_path.glob("index.db*"):
                each.unlink()
            use(store)
            assert stars(store) == STARRED
            assert store.rebuilt == 1
        with Store.open(path) as store:
            assert stars(store) == STARRED

    def test_a_drive_that_numbers_its_files_anew_changes_nothing(self, path, monkeypatch):
        numbers = itertools.count()
        with monkeypatch.context() as patch:
            patch.setattr(recover, "identity", lambda path: (0, next(numbers)))
            with Store.open(path) as store:
                keys = fill(store, "a.pt", "b.pt")
                store.set_user(keys[0], favourite=True)
                assert store.page(Query()).total == 2
                assert (store.rebuilt, store.notes) == (0, ())

    def test_only_a_few_broken_ones_are_kept(self, path):
        for number in range(6):
            path.write_text(f"broken {number}")
            Store.open(path).close()
        assert len(list(path.parent.glob("index.db.broken-*"))) == 3

    def test_one_that_cannot_be_moved_stays_and_memory_does(self, whole, tmp_path, monkeypatch):
        path = copy(whole, tmp_path)
        path.write_bytes(b"broken" * 2000)

        def refuse(self, target):
            raise PermissionError(13, "used by another process")

        with Store.open(tmp_path / "other.db") as store:
            fill(store, "a.pt")
            with monkeypatch.context() as patch:
                patch.setattr(Path, "rename", refuse)
                with Store.open(path) as broken:
                    use(broken)
                    assert "memory" in broken.notes[0]
                (tmp_path / "other.db").write_bytes(b"broken" * 9000)
                (tmp_path / "other.db-wal").write_bytes(b"")
                use(store)
                assert any(word in store.notes[0] for word in ("memory", "cannot be set aside"))
        assert path.read_bytes() == b"broken" * 2000

    def test_a_request_that_is_our_fault_leaves_the_index_alone(self, whole, tmp_path):
        path = copy(whole, tmp_path)
        faults = (
            "SELECT nothing FROM entries", "SELECT", "INSERT INTO roots VALUES (1, x'00')",
            f"SELECT {'(' * 2000}1{')' * 2000}",
        )
        with Store.open(path) as store:
            for sql in faults:
                with pytest.raises(LoradexError, match="fault of Loradex"):
                    store._database.write(lambda c, sql=sql: c.execute(sql))
            assert (store.rebuilt, store.notes) == (0, ())
            assert store.count(Query()) == 60

    def test_an_index_without_a_word_index_is_used_as_it_is(self, path, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(schema, "can_index_text", lambda: False)
            with Store.open(path) as store:
                fill(store, "ink.pt")
        with Store.open(path) as store:
            assert store.page(Query(text="ink")).total == 1
            assert store.notes == ()

    def test_a_word_index_that_this_python_lacks_is_given_up(self, whole, tmp_path, monkeypatch):
        path = copy(whole, tmp_path)
        monkeypatch.setattr(schema, "can_index_text", lambda: False)
        with Store.open(path) as store:
            use(store)
            assert stars(store) == STARRED


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=40)),
             min_size=1, max_size=12),
    st.sampled_from(["before", "while"]),
)
def test_bytes_flipped_anywhere_are_survived(whole, tmp_path_factory, flips, when):
    path = copy(whole, tmp_path_factory.mktemp("flipped"))

    def flip():
        size = path.stat().st_size
        with path.open("r+b") as file:
            for place, data in flips:
                file.seek(int(place * size))
                file.write(data)

    if when == "before":
        flip()
    with Store.open(path) as store:
        if when == "while":
            store.page(Query())
            flip()
        use(store)


class TestPlaces:
    def test_a_place_that_cannot_be_written_is_said_and_memory_does(self, tmp_path):
        (tmp_path / "file").write_text("")
        for path in (tmp_path / "file" / "index.db", tmp_path):
            with Store.open(path) as store:
                fill(store, "a.pt")
                assert store.page(Query()).total == 1
                assert "memory" in store.notes[0]

    def test_the_database_of_another_program_is_left_alone(self, path):
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE theirs (a)")
        connection.commit()
        connection.close()
        before = path.read_bytes()
        with Store.open(path) as store:
            fill(store, "a.pt")
            assert "another program" in store.notes[0]
        assert path.read_bytes() == before

    def test_an_empty_file_is_a_new_index(self, path):
        path.write_bytes(b"")
        with Store.open(path) as store:
            fill(store, "a.pt")
            assert store.notes == ()

    def test_a_full_disk_ends_nothing_and_is_said(self, path):
        with Store.open(path) as store:
            keys = fill(store, *(f"{n}.pt" for n in range(20)))
            store.set_user(keys[0], favourite=True)
            with store._database._connections.write() as connection:
                (pages,) = connection.execute("PRAGMA page_count").fetchone()
            store._database._connections._writer.execute(f"PRAGMA max_page_count = {pages}")
            fill(store, *(f"more{n}.pt" for n in range(2000)))
            assert store.page(Query()).total == 2020
            assert store.get(keys[0]).user.favourite
            store.set_user(keys[1], favourite=True)
            assert "memory only" in store.notes[0]
        with Store.open(path) as store:
            assert store.page(Query()).total == 20
            assert stars(store) == {"0.pt", "1.pt"}

    def test_a_lock_that_is_never_given_up_is_told_as_such(self, path, monkeypatch):
        monkeypatch.setattr(connections, "_BUSY_MS", 50)
        with Store.open(path) as store:
            fill(store, "a.pt")
            other = sqlite3.connect(path, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(LoradexError, match="another program") as caught:
                fill(store, "b.pt")
            assert caught.value.code == "busy"
            assert store.page(Query()).total == 1
            other.execute("ROLLBACK")
            other.close()
            fill(store, "b.pt")
            assert store.notes == ()

    def test_a_closed_store_says_that_it_is_closed(self, path):
        for where in (path, None):
            store = Store.open(where)
            fill(store, "a.pt")
            store.close()
            store.close()
            with pytest.raises(CancelledError):
                store.page(Query())
            with pytest.raises(CancelledError):
                fill(store, "b.pt")

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps open files in place")
    def test_nothing_that_another_process_uses_is_set_aside_for_it(self, whole, tmp_path):
        """Of two that find the index broken, the second finds the first one's new index."""
        path = copy(whole, tmp_path)
        with Store.open(path) as one, Store.open(path) as two:
            with path.open("r+b") as file:
                file.write(b"\xff" * path.stat().st_size)
            path.with_name("index.db-wal").write_bytes(b"")
            use(one)
            use(two)
            assert stars(one) == stars(two) == STARRED
        assert len([p for p in tmp_path.glob("index.db.broken-*") if "-wal" not in p.name
                    and "-shm" not in p.name]) == 1


def test_what_is_set_aside_takes_its_log_along(path):
    path.write_text("x")
    path.with_name("index.db-wal").write_text("w")
    aside = recover.set_aside(path)
    assert aside.read_text() == "x"
    assert aside.with_name(aside.name + "-wal").read_text() == "w"
    assert not path.exists()
