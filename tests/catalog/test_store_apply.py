"""A row is one content: it keeps its key, user data and hashes wherever its file goes."""

import pytest
from loradex.catalog.index.store import Gone, SetPresence, Store
from loradex.catalog.records import FileFacts, Query, Summary
from loradex.errors import InputError
from loradex.files.hashes import FileHashes

from tests.catalog.storekit import ROOT, a_file, a_put, facts_of, fill

HASHES = FileHashes("ab" * 32, "cd" * 32, 100)


@pytest.fixture
def store():
    with Store.open(None) as store:
        yield store
        assert store.notes == ()


def ids(store, **query):
    return [entry.file.id for entry in store.page(Query(**query)).entries]


def kinds(changes):
    return [(change.kind, change.id) for change in changes]


def test_a_new_file_is_listed_known_and_found(store):
    changes = store.apply([a_put("art/ink.safetensors")])
    assert kinds(changes) == [("added", "art/ink.safetensors")]
    (entry,) = store.page(Query()).entries
    assert entry.file == a_file("art/ink.safetensors")
    assert store.get(changes[0].key) == entry == store.find(ROOT, "art/ink.safetensors")
    known = store.known([ROOT])[str(ROOT), "art/ink.safetensors"]
    assert (known.key, known.stamp, known.presence) == (entry.key, entry.file.stamp, "present")
    assert known.path == entry.file.path
    assert store.known([ROOT / "other"]) == {}


def test_a_moved_row_keeps_key_user_data_hashes_and_age(store):
    (key,) = fill(store, "ink.pt")
    store.set_user(key, favourite=True, tags=["mine"])
    assert store.set_hashes(key, a_file().stamp, HASHES)
    before = store.get(key)
    changes = store.apply([a_put("new/ink.pt", "ink.pt", key)])
    assert [(c.kind, c.key, c.id, c.old_id) for c in changes] == [
        ("moved", key, "new/ink.pt", "ink.pt")
    ]
    after = store.get(key)
    assert after.file.id == "new/ink.pt"
    assert (after.user, after.sha256, after.added_ns) == (
        before.user, HASHES.sha256, before.added_ns
    )
    assert store.find(ROOT, "ink.pt") is None


def test_another_content_in_place_keeps_the_stars_and_drops_the_hashes(store):
    (key,) = fill(store, "ink.pt")
    store.set_user(key, rating=7)
    store.set_hashes(key, a_file().stamp, HASHES)
    changes = store.apply([a_put("ink.pt", "other", key, mtime_ns=2)])
    assert kinds(changes) == [("changed", "ink.pt")]
    assert changes[0].detail == {"content": True}
    entry = store.get(key)
    assert (entry.user.rating, entry.sha256, entry.tensor_sha256) == (7, "", "")


def test_a_touched_file_keeps_its_hashes_until_they_are_computed_again(store):
    (key,) = fill(store, "ink.pt")
    store.set_hashes(key, a_file().stamp, HASHES)
    assert store.unhashed() == ()
    store.apply([a_put("ink.pt", key=key, mtime_ns=2)])
    assert store.get(key).sha256 == HASHES.sha256
    assert [entry.key for entry in store.unhashed()] == [key]


def test_files_that_change_places_in_one_batch_keep_their_own_data(store):
    names = ["a.pt", "b.pt", "c.pt"]
    keys = fill(store, *names)
    for key, name in zip(keys, names, strict=True):
        store.set_user(key, notes=name)
    turned = ["b.pt", "c.pt", "a.pt"]
    moves = zip(turned, names, keys, strict=True)
    changes = store.apply([a_put(to, of, key) for to, of, key in moves])
    assert {c.kind for c in changes} == {"moved"}
    assert {e.file.id: e.user.notes for e in store.entries(Query())} == dict(
        zip(turned, names, strict=True)
    )


def test_a_put_over_another_row_makes_that_row_gone(store):
    old, new = fill(store, "a.pt", "b.pt")
    assert kinds(store.apply([a_put("a.pt", "b.pt", new)])) == [("gone", "a.pt"), ("moved", "a.pt")]
    assert ids(store) == ["a.pt"]
    assert store.get(old).presence == "gone"
    assert [k.key for k in store.gone_or_any_by_fingerprint(["a.pt"])["a.pt"]] == [old]


def test_what_is_gone_is_hidden_and_comes_back_with_its_data(store):
    (key,) = fill(store, "ink.pt")
    store.set_user(key, favourite=True)
    store.set_hashes(key, a_file().stamp, HASHES)
    assert kinds(store.apply([Gone(key)])) == [("gone", "ink.pt")]
    assert store.apply([Gone(key)]) == ()
    assert (ids(store), store.known()) == ([], {})
    assert ids(store, presence=("gone",)) == ["ink.pt"]
    changes = store.apply([a_put("new.pt", "ink.pt", key)])
    assert [(c.kind, c.old_id) for c in changes] == [("added", "ink.pt")]
    assert store.get(key).user.favourite
    assert store.get(key).sha256 == HASHES.sha256


def test_two_gone_rows_and_a_new_one_may_have_had_the_same_place(store):
    for content in "xyz":
        (key,) = (c.key for c in store.apply([a_put("ink.pt", content)]))
        store.apply([Gone(key)])
    store.apply([a_put("ink.pt", "w")])
    assert ids(store) == ["ink.pt"]
    assert store.count(Query(presence=())) == 4


def test_an_unknown_key_makes_a_new_row(store):
    (change,) = store.apply([a_put("ink.pt", key=77)])
    assert change.kind == "added"
    assert store.get(change.key).file.id == "ink.pt"


def test_of_two_puts_at_one_place_the_last_counts(store):
    (key,) = fill(store, "a.pt")
    store.apply([a_put("b.pt", "a.pt", key), a_put("b.pt", "other")])
    assert [e.facts.fingerprint for e in store.entries(Query())] == ["other"]
    assert store.get(key).presence == "gone"


def test_an_offline_root_changes_nothing_but_presence(store):
    key, other = fill(store, "ink.pt")[0], fill(store, "ink.pt", root=ROOT / "two")[0]
    store.set_user(key, rating=3)
    before = store.get(key)
    assert kinds(store.apply([SetPresence(ROOT, "offline")])) == [("offline", "ink.pt")]
    assert store.get(key).presence == "offline"
    assert store.get(other).presence == "present"
    assert len(store.known([ROOT])) == 1
    assert [e.key for e in store.unhashed()] == [other]
    assert kinds(store.apply([SetPresence(ROOT, "present")])) == [("online", "ink.pt")]
    assert store.get(key) == before


def test_what_a_sidecar_says_is_told_apart_from_what_the_file_is(store):
    (key,) = fill(store, "ink.pt")
    assert store.apply([a_put("ink.pt", key=key)]) == ()
    described = a_put("ink.pt", key=key, summary=Summary(title="Ink"))
    assert kinds(store.apply([described])) == [("described", "ink.pt")]
    judged = a_put("ink.pt", key=key, facts=facts_of("ink.pt", family="sdxl"),
                   summary=Summary(title="Ink"))
    assert kinds(store.apply([judged])) == [("changed", "ink.pt")]


def test_keys_are_never_used_again(tmp_path):
    with Store.open(tmp_path / "index.db") as store:
        first = fill(store, "a.pt", "b.pt")
    with Store.open(tmp_path / "index.db") as store:
        assert min(fill(store, "c.pt")) > max(first)


def test_numbers_beyond_64_bits_are_kept(store):
    (key,) = fill(store, "a.pt", inode=2**100, mtime_ns=2**70, size=-1)
    assert store.get(key).file.stamp == (-1, 2**70, 2**100, 1)
    assert store.known()[str(ROOT), "a.pt"].stamp == (-1, 2**70, 2**100, 1)


def test_a_user_value_that_cannot_be_is_refused_and_changes_nothing(store):
    (key,) = fill(store, "ink.pt")
    for changes in (
        {"rating": 11}, {"rating": -1}, {"rating": True}, {"rating": 2.5}, {"favourite": 1},
        {"tags": "one"}, {"tags": [1]}, {"tags": None}, {"notes": 3}, {"family": "SD XL!"},
        {"stars": 3},
    ):
        with pytest.raises(InputError):
            store.set_user(key, **{"notes": "changed", **changes})
    with pytest.raises(InputError):
        store.set_user(999, favourite=True)
    assert store.get(key).user.empty


def test_the_users_family_wins_and_can_be_taken_back(store):
    (key,) = fill(store, "ink.pt", facts=FileFacts("ok", "f", family="sd1"))
    assert store.set_user(key, family=" SDXL ").family == "sdxl"
    assert ids(store, families=("sdxl",)) == ["ink.pt"]
    assert ids(store, families=("sd1",)) == []
    store.set_user(key, family="")
    assert ids(store, families=("sd1",)) == ["ink.pt"]
    assert store.get(key).user.empty


def test_under_another_reader_all_files_count_as_changed_and_keep_what_they_have(tmp_path):
    path = tmp_path / "index.db"
    place = str(ROOT), "ink.pt"
    with Store.open(path, "1") as store:
        (key,) = fill(store, "ink.pt")
        store.set_user(key, rating=3)
        store.set_hashes(key, a_file().stamp, HASHES)
        store.set_verdicts("ck", dict.fromkeys(store.profiles("ck"), "fits"))
    with Store.open(path, "1") as store:
        assert store.known()[place].stamp == a_file().stamp
        assert store.profiles("ck") == {}
    with Store.open(path, "2") as store:
        assert store.known()[place].stamp != a_file().stamp
        assert len(store.profiles("ck")) == 1
        store.apply([a_put("ink.pt", key=key, facts=facts_of("ink.pt", family="sdxl"))])
        entry = store.get(key)
        assert (entry.family, entry.user.rating, entry.sha256) == ("sdxl", 3, HASHES.sha256)
        assert store.unhashed() == ()
    with Store.open(path, "2") as store:
        assert store.known()[place].stamp == a_file().stamp
