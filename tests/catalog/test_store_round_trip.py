"""What goes into the index comes out of it equal, whatever characters and numbers it holds."""

import os
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loradex.catalog.disk.scan import scan_networks
from loradex.catalog.index import codec
from loradex.catalog.index.store import Put, Store
from loradex.catalog.network_file import NetworkFile
from loradex.catalog.records import Entry, FaultNote, FileFacts, Query, Summary, UserData

WORDS = st.text(max_size=12)
PARTS = st.text(st.characters(codec="utf-8", exclude_characters="/\\\0"), min_size=1, max_size=8)
COUNTS = st.dictionaries(WORDS, st.integers(0, 10**9), max_size=3)
LISTS = st.lists(WORDS, max_size=3).map(tuple)
NUMBERS = st.integers(-(2**65), 2**128)

FACTS = st.builds(
    FileFacts,
    status=st.sampled_from(["ok", "broken", "unfinished", "not_a_lora"]),
    fingerprint=st.text("0123456789abcdef", max_size=32), structure=st.text("0123", max_size=8),
    kind=st.sampled_from(["lora", "ControlNet", ""]),
    fault=st.none() | st.builds(FaultNote, WORDS, WORDS, WORDS),
    family=st.sampled_from(["", "sd1", "sdxl"]), variant=st.sampled_from(["", "pony"]),
    candidates=st.lists(st.sampled_from(["sd1", "sdxl"]), max_size=2).map(tuple),
    confidence=st.sampled_from(["high", "unknown"]), evidence=LISTS, layouts=COUNTS, types=COUNTS,
    rank=st.none() | st.integers(0, 10**6),
    ranks=st.dictionaries(st.integers(0, 10**6), st.integers(0, 99), max_size=3),
    components=COUNTS, embeddings=LISTS,
)
SUMMARIES = st.builds(
    Summary, title=WORDS, description=WORDS, trigger_words=LISTS,
    preferred_strength=st.none() | st.floats(allow_nan=False), base_model=WORDS, tags=LISTS,
    notes=WORDS, preview=WORDS, alias=WORDS, session=WORDS, epoch=WORDS, problems=LISTS,
    sources=st.dictionaries(WORDS, WORDS, max_size=3),
)


@st.composite
def network_files(draw):
    parts = draw(st.lists(PARTS, min_size=1, max_size=3))
    root = Path(draw(st.sampled_from(["/models/Lora", "/", "relative/root", "."])))
    file_id = "/".join(parts) + ".safetensors"
    path = draw(st.sampled_from([root / file_id, Path("/elsewhere/\udcff.pt")]))
    numbers = [draw(NUMBERS) for _ in range(4)]
    return NetworkFile(file_id, parts[-1], path, root, *numbers)


@settings(max_examples=150)
@given(network_files(), FACTS, SUMMARIES, st.text("0123456789abcdef", max_size=9))
def test_an_entry_is_what_was_put(file, facts, summary, companions):
    with Store.open(None) as store:
        (change,) = store.apply([Put(file, facts, summary, companions)])
        entry = store.get(change.key)
        assert entry == Entry(change.key, file, "present", facts, summary, UserData(),
                              added_ns=entry.added_ns)
        known = store.known([file.root])[os.fspath(file.root), file.id]
        assert (known.stamp, known.companions_stamp) == (file.stamp, companions)
        assert (known.path, known.fingerprint) == (file.path, facts.fingerprint)
        assert store.find(file.root, file.id) == entry
        assert store.page(Query()).entries == (entry,)
        assert store.apply([Put(file, facts, summary, companions, change.key)]) == ()
        assert store.get(change.key) == entry
        store.facets(Query())
        assert store.notes == ()


@settings(max_examples=60)
@given(FACTS, SUMMARIES)
def test_records_are_the_same_after_being_stored(facts, summary):
    for record in (facts, summary):
        assert codec.decode(type(record), codec.encode(record)) == record


def test_every_field_of_the_records_is_stored():
    """A new field with a type that is not read back right fails here."""
    full = {
        FileFacts: {"status": "ok", "fingerprint": "f", "fault": FaultNote("c", "m", "n"),
                    "candidates": ("a",), "evidence": ("a",), "layouts": {"a": 1},
                    "types": {"a": 1}, "rank": 3, "ranks": {4: 1}, "components": {"a": 1},
                    "embeddings": ("a",)},
        Summary: {"trigger_words": ("a",), "preferred_strength": 0.5, "tags": ("a",),
                  "problems": ("a",), "sources": {"a": "b"}, "nsfw_level": 4},
        UserData: {"favourite": True, "rating": 3, "tags": ("a",)},
    }
    for cls, values in full.items():
        texts = {each.name: "text" for each in fields(cls) if str(each.type) == "str"}
        record = cls(**{**texts, **values})
        assert codec.decode(cls, codec.encode(record)) == record
        told = {each.name for each in fields(cls)} - set(texts) - set(values)
        assert not told, f"{cls.__name__}: give {told} a value here"


def test_rows_of_an_older_version_have_the_defaults_of_new_fields():
    assert codec.decode(FileFacts, '{"status":"ok","fingerprint":"f","dropped":1}') == FileFacts(
        "ok", "f"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps any bytes in a name")
def test_a_name_that_is_no_text_keeps_its_exact_path(tmp_path):
    root = tmp_path / os.fsdecode(b"caf\xe9")
    root.mkdir()
    (root / os.fsdecode(b"\xff.pt")).write_bytes(b"x")
    (file,) = scan_networks([root])
    with Store.open(tmp_path / "index.db") as store:
        (change,) = store.apply([Put(file, FileFacts("ok", "f"))])
        store.set_user(change.key, favourite=True)
    with Store.open(tmp_path / "index.db") as store:
        entry = store.get(change.key)
        assert entry.file == file
        assert entry.file.path.exists()
        (known,) = store.known([root]).values()
        assert known.path == file.path
        assert store.page(Query(text="xff")).total == 1
    assert '"root": "' in (tmp_path / "index.user.json").read_text(encoding="utf-8")


def test_an_equal_file_at_another_root_is_another_row(tmp_path):
    file = NetworkFile("a.pt", "a", tmp_path / "a.pt", tmp_path, 1, 1)
    other = replace(file, root=Path("/b"), path=Path("/b/a.pt"))
    with Store.open(None) as store:
        store.apply([Put(each, FileFacts("ok", "same")) for each in (file, other)])
        assert len(store.known()) == 2
        assert len(store.gone_or_any_by_fingerprint(["same"])["same"]) == 2
