"""What the user said survives the index: it is exported beside it, readable, and taken back."""

import json
import os
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loradex.catalog.index import export, upkeep
from loradex.catalog.index.store import Gone, Store
from loradex.catalog.records import Query, UserData
from loradex.files.hashes import FileHashes

from tests.catalog.storekit import ROOT, a_file, a_put, fill, until

HASHES = FileHashes("ab" * 32, "cd" * 32, 100)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "home" / "index.db"


def exported(path):
    raw = json.loads(export.export_path(path).read_text(encoding="utf-8"))
    return {record["id"]: record for record in raw["entries"]}


def lose(path):
    """The index goes, the export stays."""
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink(missing_ok=True)


def users(store):
    return {entry.file.id: entry.user for entry in store.entries(Query(limit=None))}


def starred(path, *ids):
    """An index whose files are starred and noted, closed."""
    with Store.open(path) as store:
        for key, file_id in zip(fill(store, *ids), ids, strict=True):
            store.set_user(key, favourite=True, notes=file_id)


def test_the_export_is_readable_sorted_and_complete(path):
    with Store.open(path) as store:
        two, one = fill(store, "b/墨.pt", "a.pt")
        store.set_user(two, favourite=True, rating=8, tags=["画"], notes="二\nlines", family="sdxl")
        store.set_user(one, notes="x")
        store.set_hashes(two, a_file().stamp, HASHES)
    text = export.export_path(path).read_text(encoding="utf-8")
    assert path.with_name("index.user.json") == export.export_path(path)
    assert "画" in text
    raw = json.loads(text)
    assert [record["id"] for record in raw["entries"]] == ["a.pt", "b/墨.pt"]
    assert raw["entries"][1] == {
        "id": "b/墨.pt", "root": str(ROOT), "name": "墨", "favourite": True, "rating": 8,
        "tags": ["画"], "notes": "二\nlines", "family": "sdxl", "fingerprint": "b/墨.pt",
        "size": 100, "sha256": HASHES.sha256, "tensor_sha256": HASHES.tensor_sha256,
    }
    assert '\n      "rating": 8,\n      "tags": ["画"],\n' in text
    assert not [each for each in path.parent.iterdir() if each.suffix == ".tmp"]


def test_without_user_data_there_is_no_export(path):
    with Store.open(path) as store:
        fill(store, "a.pt")
    assert not export.export_path(path).exists()


def test_the_export_is_written_soon_after_a_change_without_a_close(path):
    with Store.open(path) as store:
        (key,) = fill(store, "a.pt")
        store.set_user(key, rating=1)
        until(lambda: export.export_path(path).exists(), 3)
        store.set_user(key, rating=2)
        until(lambda: exported(path)["a.pt"]["rating"] == 2, 3)
        store.apply([a_put("b.pt", "a.pt", key)])
        until(lambda: "b.pt" in exported(path), 3)


def test_a_lost_index_is_built_again_with_the_users_data(path):
    starred(path, "a.pt", "b.pt")
    lose(path)
    with Store.open(path) as store:
        assert store.page(Query()).total == 0
        fill(store, "a.pt", "b.pt", "c.pt")
        assert {k: u.notes for k, u in users(store).items()} == {
            "a.pt": "a.pt", "b.pt": "b.pt", "c.pt": ""
        }
        assert store.page(Query(favourite=True, text="b.pt")).total == 1
    assert set(exported(path)) == {"a.pt", "b.pt"}


def test_data_finds_its_file_that_moved_meanwhile(path):
    starred(path, "a.pt", "b.pt")
    lose(path)
    with Store.open(path) as store:
        store.apply([a_put("new/a.pt", "a.pt"), a_put("a.pt", "b.pt")])
        assert {k: u.notes for k, u in users(store).items()} == {"new/a.pt": "a.pt", "a.pt": "b.pt"}


def test_data_whose_file_is_away_waits_through_any_number_of_rebuilds(path):
    starred(path, "a.pt", "b.pt")
    for _ in range(3):
        lose(path)
        with Store.open(path) as store:
            fill(store, "b.pt")
            assert set(users(store)) == {"b.pt"}
        assert set(exported(path)) == {"a.pt", "b.pt"}
    with Store.open(path) as store:
        fill(store, "a.pt")
        assert users(store)["a.pt"].notes == "a.pt"


def test_of_two_copies_the_one_that_stays_in_place_keeps_its_star(path):
    starred(path, "b.pt")
    lose(path)
    with Store.open(path) as store:
        store.apply([a_put("a copy.pt", "b.pt"), a_put("b.pt", "b.pt")])
        assert {k: u.favourite for k, u in users(store).items()} == {
            "a copy.pt": False, "b.pt": True
        }


def test_another_content_at_the_place_has_the_data_until_the_right_one_shows_up(path):
    starred(path, "a.pt")
    lose(path)
    with Store.open(path) as store:
        store.apply([a_put("a.pt", "trained again")])
        assert users(store)["a.pt"].favourite
        store.apply([a_put("kept/a.pt", "a.pt")])
        assert {k: u.favourite for k, u in users(store).items()} == {
            "a.pt": False, "kept/a.pt": True
        }


def test_what_the_user_changed_meanwhile_is_not_taken_back(path):
    starred(path, "a.pt")
    lose(path)
    with Store.open(path) as store:
        (change,) = store.apply([a_put("a.pt", "trained again")])
        store.set_user(change.key, rating=5)
        store.apply([a_put("kept/a.pt", "a.pt")])
        assert {k: (u.notes, u.rating) for k, u in users(store).items()} == {
            "a.pt": ("a.pt", 5), "kept/a.pt": ("a.pt", None)
        }


def test_data_finds_the_same_tensors_under_another_header(path):
    with Store.open(path) as store:
        (key,) = fill(store, "a.pt")
        store.set_hashes(key, a_file().stamp, HASHES)
        store.set_user(key, favourite=True)
    lose(path)
    with Store.open(path) as store:
        (change,) = store.apply([a_put("edited.pt", "other header")])
        assert not store.get(change.key).user.favourite
        store.set_hashes(change.key, a_file().stamp, FileHashes("00" * 32, "cd" * 32, 100))
        assert store.get(change.key).user.favourite
    assert set(exported(path)) == {"edited.pt"}


def test_gone_rows_with_user_data_stay_and_others_go_after_a_month(path, monkeypatch):
    with Store.open(path) as store:
        keys = fill(store, "starred.pt", "plain.pt")
        store.set_user(keys[0], favourite=True)
        store.apply([Gone(key) for key in keys])
    with Store.open(path) as store:
        assert [store.get(key) is None for key in keys] == [False, False]
    later = time.time_ns() + 31 * 24 * 3600 * 10**9
    monkeypatch.setattr(upkeep.time, "time_ns", lambda: later)
    with Store.open(path) as store:
        assert [store.get(key) is None for key in keys] == [False, True]
        assert store.page(Query(presence=("gone",))).total == 1


class TestForeignExports:
    def write(self, path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        export.export_path(path).write_text(text, encoding="utf-8")

    @pytest.mark.parametrize("text", [
        "", "{", "[]", "null", '{"entries": 3}', "\x00", "[" * 100_000, '{"entries": [1]}',
        '{"entries": [{"id": "a.pt", "rating": "high", "notes": "keep"}]}',
    ], ids=lambda text: repr(text[:20]))
    def test_an_export_that_is_not_understood_is_set_aside_and_said(self, path, text):
        self.write(path, text)
        with Store.open(path) as store:
            assert "user.json" in store.notes[0]
            (key,) = fill(store, "a.pt")
            store.set_user(key, rating=3)
        (aside,) = path.parent.glob("index.user.json.broken-*")
        assert aside.read_text(encoding="utf-8") == text
        assert exported(path)["a.pt"]["rating"] == 3

    def test_what_was_understood_of_it_is_used(self, path):
        self.write(path, json.dumps({"entries": [
            {"id": "a.pt", "root": str(ROOT), "favourite": True},
            {"id": "b.pt", "root": str(ROOT), "favourite": "yes"},
        ]}))
        with Store.open(path) as store:
            fill(store, "a.pt", "b.pt")
            assert users(store) == {"a.pt": UserData(favourite=True), "b.pt": UserData()}
            assert len(store.notes) == 1

    def test_one_that_is_damaged_while_we_run_is_never_overwritten(self, path):
        starred(path, "a.pt")
        with Store.open(path) as store:
            self.write(path, "edited by hand, badly")
            store.set_user(store.find(ROOT, "a.pt").key, rating=3)
        (aside,) = path.parent.glob("index.user.json.broken-*")
        assert aside.read_text(encoding="utf-8") == "edited by hand, badly"
        assert exported(path)["a.pt"]["rating"] == 3

    def test_one_of_another_computer_is_merged_and_ours_wins(self, path, tmp_path):
        other = tmp_path / "other" / "index.db"
        starred(other, "a.pt", "b.pt", "c.pt")
        with Store.open(path) as store:
            a, b = fill(store, "a.pt", "b.pt")
            store.set_user(a, notes="ours")
        self.write(path, export.export_path(other).read_text(encoding="utf-8"))
        with Store.open(path) as store:
            assert store.get(a).user == UserData(notes="ours")
            assert store.get(b).user == UserData(favourite=True, notes="b.pt")
            fill(store, "c.pt")
            assert users(store)["c.pt"].favourite
        assert set(exported(path)) == {"a.pt", "b.pt", "c.pt"}

    def test_our_own_newer_one_wins_over_an_older_index(self, path):
        """A power cut took the last transactions of the index, but the export was on the disk."""
        starred(path, "a.pt")
        old = path.read_bytes()
        with Store.open(path) as store:
            store.set_user(store.find(ROOT, "a.pt").key, notes="newer")
        lose(path)
        path.write_bytes(old)
        with Store.open(path) as store:
            assert users(store)["a.pt"].notes == "newer"
            store.set_user(store.find(ROOT, "a.pt").key, notes="newest")
        assert exported(path)["a.pt"]["notes"] == "newest"

    def test_an_export_that_was_deleted_is_written_again(self, path):
        starred(path, "a.pt")
        export.export_path(path).unlink()
        Store.open(path).close()
        assert exported(path)["a.pt"]["favourite"]

    def test_a_folder_in_its_place_is_told_and_nothing_else_suffers(self, path):
        export.export_path(path).mkdir(parents=True)
        with Store.open(path) as store:
            (key,) = fill(store, "a.pt")
            store.set_user(key, rating=3)
            assert store.get(key).user.rating == 3
        with Store.open(path) as store:
            assert store.get(key).user.rating == 3


def test_a_crash_while_writing_leaves_the_old_export(path, monkeypatch):
    starred(path, "a.pt")
    before = export.export_path(path).read_bytes()
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "No space")))
    with Store.open(path) as store:
        store.set_user(store.find(ROOT, "a.pt").key, notes="new")
    assert any("No space" in note for note in store.notes)
    assert export.export_path(path).read_bytes() == before
    assert not list(path.parent.glob("*.tmp"))
    monkeypatch.undo()
    Store.open(path).close()
    assert exported(path)["a.pt"]["notes"] == "new"


def test_two_stores_of_one_file_export_what_both_said(path):
    with Store.open(path) as one, Store.open(path) as two:
        keys = fill(one, *(f"{n}.pt" for n in range(40)))
        def star(store, part):
            for key in part:
                store.set_user(key, favourite=True)
        threads = [threading.Thread(target=star, args=(one, keys[::2])),
                   threading.Thread(target=star, args=(two, keys[1::2]))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(exported(path)) == 40


ODD = st.text(max_size=12)


@settings(max_examples=40)
@given(st.lists(st.tuples(ODD, st.lists(ODD, max_size=3), st.none() | st.integers(0, 10)),
                max_size=4))
def test_whatever_was_said_comes_back_as_it_was_shown(tmp_path_factory, said):
    path = tmp_path_factory.mktemp("said") / "index.db"
    ids = [f"{n}.pt" for n in range(len(said))]
    with Store.open(path) as store:
        for key, (notes, tags, rating) in zip(fill(store, *ids), said, strict=True):
            store.set_user(key, notes=notes, tags=tags, rating=rating)
        shown = users(store)
    with Store.open(path) as store:
        assert users(store) == shown
    lose(path)
    with Store.open(path) as store:
        fill(store, *reversed(ids))
        assert users(store) == shown
        assert store.notes == ()
