"""The catalog as its users meet it: open, list, find, follow, judge, change, close."""

import threading
import time

import pytest
from loradex.catalog.catalog import Catalog
from loradex.catalog.records import Query
from loradex.compat.checkpoint import CheckpointFacts
from loradex.compat.families import family
from loradex.errors import AmbiguousNameError, NetworkNotFoundError

from tests.catalog.netkit import lora_tensors, write_lora


def ids(catalog, **query):
    return [entry.file.id for entry in catalog.page(Query(sort="path", **query)).entries]


def until(done, seconds=15.0):
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def library(tmp_path):
    root = tmp_path / "Lora"
    write_lora(root / "ink.safetensors", metadata={"modelspec.title": "Ink"})
    write_lora(root / "art" / "wash.safetensors", lora_tensors("sdxl"))
    (root / "broken.safetensors").write_bytes(b"<html>")
    return root


def test_nothing_is_looked_at_before_it_is_asked_for(library, tmp_path):
    with Catalog([library], tmp_path / "home") as catalog:
        assert ids(catalog) == []
        changes = catalog.refresh()
        assert {change.kind for change in changes} == {"added"}
        assert ids(catalog) == ["art/wash.safetensors", "broken.safetensors", "ink.safetensors"]


def test_a_catalog_that_was_used_before_lists_at_once_and_finds_nothing_new(library, tmp_path):
    with Catalog([library], tmp_path / "home") as catalog:
        catalog.refresh()
    with Catalog([library], tmp_path / "home") as catalog:
        assert len(ids(catalog)) == 3
        assert catalog.inspector.structures.worked_out == 0
        assert catalog.refresh() == ()


def test_without_a_home_nothing_is_written(library, tmp_path):
    with Catalog([library]) as catalog:
        catalog.refresh()
        assert len(ids(catalog)) == 3
    assert list(tmp_path.iterdir()) == [library]


def test_filters_and_words_find_what_they_name(library, tmp_path):
    with Catalog([library]) as catalog:
        catalog.refresh()
        assert ids(catalog, families=("sdxl",)) == ["art/wash.safetensors"]
        assert ids(catalog, has_fault=True) == ["broken.safetensors"]
        assert ids(catalog, text="ink") == ["ink.safetensors"]


def test_names_of_prompts_are_found_and_new_files_with_them(library):
    with Catalog([library]) as catalog:
        assert catalog.resolve("wash").id == "art/wash.safetensors"
        write_lora(library / "new.safetensors")
        assert catalog.resolve("new").id == "new.safetensors"
        (library / "new.safetensors").unlink()
        with pytest.raises(NetworkNotFoundError):
            catalog.resolve("new")
        write_lora(library / "more" / "wash.safetensors")
        catalog.refresh()
        with pytest.raises(AmbiguousNameError):
            catalog.resolve("wash")


def test_changes_are_heard_and_no_longer_after_the_end(library):
    heard = []
    with Catalog([library]) as catalog:
        end = catalog.subscribe(heard.append)
        catalog.refresh()
        assert len(heard) == 3
        end()
        write_lora(library / "late.safetensors")
        catalog.refresh()
        assert len(heard) == 3


def test_a_listener_that_fails_stops_no_other(library, caplog):
    heard = []

    def fail(_):
        raise RuntimeError("mine")

    with Catalog([library]) as catalog:
        catalog.subscribe(fail)
        catalog.subscribe(heard.append)
        catalog.refresh()
    assert len(heard) == 3
    assert "A listener failed" in caplog.text


def test_started_it_follows_files_and_hashes_them_and_ends_cleanly(library, tmp_path):
    before = threading.active_count()
    with Catalog([library], tmp_path / "home") as catalog:
        catalog.start()
        catalog.start()  # a second start does nothing twice
        until(lambda: len(ids(catalog)) == 3)
        until(lambda: catalog.watch_status().mode in ("native", "polling"))
        write_lora(library / "new.safetensors", fill=b"new")
        until(lambda: "new.safetensors" in ids(catalog))
        until(lambda: catalog.entry("new").tensor_sha256)
        (library / "new.safetensors").rename(library / "art" / "renamed.safetensors")
        until(lambda: "art/renamed.safetensors" in ids(catalog))
        assert catalog.entry("renamed").tensor_sha256
        catalog.stop()
        catalog.stop()
        assert catalog.watch_status().mode == "off"
    until(lambda: threading.active_count() <= before)


def test_stars_follow_a_file_that_moved_while_nothing_ran(library, tmp_path):
    with Catalog([library], tmp_path / "home") as catalog:
        catalog.refresh()
        catalog.organiser.edit([catalog.entry("ink").key], favourite=True, rating=9)
    (library / "ink.safetensors").rename(library / "art" / "tusche.safetensors")
    with Catalog([library], tmp_path / "home") as catalog:
        catalog.refresh()
        user = catalog.entry("tusche").user
        assert (user.favourite, user.rating) == (True, 9)


def test_a_move_by_the_organiser_is_heard_and_names_follow(library, tmp_path):
    heard = []
    with Catalog([library], tmp_path / "home") as catalog:
        catalog.refresh()
        catalog.subscribe(heard.append)
        catalog.organiser.move([catalog.entry("ink").key], "art")
        assert "moved" in {change.kind for change in heard}
        assert catalog.resolve("ink").id == "art/ink.safetensors"
        assert catalog.refresh() == ()


def checkpoint_of(family_id, path):
    found = family(family_id)
    architectures = found.architectures()
    parts = {"unet": architectures["denoiser"]}
    parts.update({name: one for name, one in architectures.items() if name != "denoiser"})
    return CheckpointFacts(path, path.name, found.id, "", found.title, "epsilon", "high", (), parts)


def test_verdicts_follow_the_checkpoint_and_are_worked_out_once_each(library, tmp_path):
    for index in range(5):
        write_lora(library / f"more {index}.safetensors", metadata={"n": str(index)})
    with Catalog([library]) as catalog:
        catalog.refresh()
        sdxl = catalog.judge(checkpoint_of("sdxl", tmp_path / "xl.safetensors"))
        found = {e.file.name: e.verdict for e in catalog.page(Query(checkpoint=sdxl)).entries}
        assert found["wash"] == "fits"
        assert found["ink"] == "no_effect"
        assert found["broken"] == "broken"
        sd1 = catalog.judge(checkpoint_of("sd1", tmp_path / "15.safetensors"))
        assert len(ids(catalog, checkpoint=sd1, verdicts=("fits",))) == 6
        assert len(ids(catalog, checkpoint=sdxl, verdicts=("fits",))) == 1
        assert catalog.store.profiles(sd1) == {}


def test_the_users_word_on_the_family_changes_what_is_shown(library):
    with Catalog([library]) as catalog:
        catalog.refresh()
        catalog.organiser.edit([catalog.entry("ink").key], family="sd2")
        assert catalog.entry("ink").family == "sd2"
        assert ids(catalog, families=("sd2",)) == ["ink.safetensors"]


def test_details_hold_metadata_tensors_and_every_field_with_its_source(library):
    (library / "ink.json").write_text('{"description": "from the WebUI"}')
    with Catalog([library]) as catalog:
        catalog.refresh()
        details = catalog.details(catalog.entry("ink"))
        assert details.metadata == {"modelspec.title": "Ink"}
        assert len(details.tensors) == 384
        assert details.described.values["description"].source == "ink.json"
        broken = catalog.details(catalog.entry("broken"))
        assert (broken.metadata, broken.tensors) == ({}, {})


def test_metadata_alone_is_read_from_any_kind_of_file(library):
    late = write_lora(library / "late.safetensors", metadata={"a": "b"}, first=False)
    with Catalog([library]) as catalog:
        catalog.refresh()
        assert catalog.metadata(catalog.entry("ink")) == {"modelspec.title": "Ink"}
        assert catalog.metadata(catalog.entry("late")) == {"a": "b"}
        assert catalog.metadata(catalog.entry("broken")) == {}
        entry = catalog.entry("late")
        late.unlink()
        assert catalog.metadata(entry) == {}


def test_a_damaged_index_is_filled_again_while_it_is_used(library, tmp_path):
    with Catalog([library], tmp_path / "home") as catalog:
        catalog.refresh()
        catalog.organiser.edit([catalog.entry("ink").key], favourite=True)
    database = tmp_path / "home" / "catalog.sqlite"
    with Catalog([library], tmp_path / "home") as catalog:
        catalog.start(hashing=False)
        until(lambda: len(ids(catalog)) == 3)
        before = catalog.store.rebuilt
        database.write_bytes(b"no database at all " * 1000)
        until(lambda: catalog.store.rebuilt > before and len(ids(catalog)) == 3)
        assert catalog.entry("ink").user.favourite
        assert any("catalog.sqlite" in note for note in catalog.notes)


def test_a_catalog_of_another_version_is_read_again(library, tmp_path, monkeypatch):
    with Catalog([library], tmp_path / "home") as catalog:
        catalog.refresh()
    monkeypatch.setattr("loradex.catalog.catalog.__version__", "99")
    with Catalog([library], tmp_path / "home") as catalog:
        assert len(ids(catalog)) == 3
        catalog.refresh()
        assert catalog.inspector.structures.worked_out == 2
