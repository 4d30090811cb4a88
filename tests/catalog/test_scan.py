"""Listing folders: everything that is a file is found once, and nothing ends the scan."""

import logging
import os
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loradex.catalog.disk.scan import list_models, scan_networks, scan_tree
from loradex.errors import CancelledError
from loradex.files.sidecar_names import companions_by_model


def touch(path, content=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def ids(*roots):
    return [file.id for file in scan_networks(roots)]


def test_files_of_all_suffixes_are_found_in_all_folders(tmp_path):
    for name in ("a.safetensors", "b.pt", "c/d.ckpt", "c/e/f.bin", "G.SAFETENSORS"):
        touch(tmp_path / name)
    for name in ("a.json", "a.preview.png", "a.safetensors.part", "c/notes.txt", "safetensors"):
        touch(tmp_path / name)
    assert ids(tmp_path) == ["G.SAFETENSORS", "a.safetensors", "b.pt", "c/d.ckpt", "c/e/f.bin"]


def test_a_record_says_where_the_file_is_and_how_large(tmp_path):
    path = touch(tmp_path / "art" / "my ink v1.5.safetensors", b"12345")
    (file,) = scan_networks([tmp_path])
    assert file.id == "art/my ink v1.5.safetensors"
    assert file.name == "my ink v1.5"
    assert file.path == path
    assert file.root == tmp_path
    assert file.size == 5
    assert file.mtime_ns == path.stat().st_mtime_ns


def test_the_order_is_by_root_and_then_by_id(tmp_path):
    for name in ("2/b.pt", "2/a.pt", "1/c.pt"):
        touch(tmp_path / name)
    assert ids(tmp_path / "2", tmp_path / "1") == ["a.pt", "b.pt", "c.pt"]


def test_a_folder_with_the_suffix_of_a_model_is_a_folder(tmp_path):
    touch(tmp_path / "x.safetensors" / "y.pt")
    assert ids(tmp_path) == ["x.safetensors/y.pt"]


def test_hidden_files_and_folders_are_left_out(tmp_path):
    touch(tmp_path / "._ink.safetensors")
    touch(tmp_path / ".ipynb_checkpoints" / "ink.safetensors")
    assert ids(tmp_path) == []


def test_a_missing_root_is_logged_and_the_others_are_listed(tmp_path, caplog):
    touch(tmp_path / "here" / "a.pt")
    with caplog.at_level(logging.WARNING):
        assert ids(tmp_path / "gone", tmp_path / "here") == ["a.pt"]
    assert "gone" in caplog.text


def test_a_file_as_root_is_logged(tmp_path, caplog):
    assert ids(touch(tmp_path / "a.pt")) == []
    assert "left out" in caplog.text


def test_no_roots_are_no_files():
    assert scan_networks([]) == ()


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="the system lets us read everything"
)
def test_an_unreadable_folder_is_logged_and_the_others_are_listed(tmp_path, caplog):
    touch(tmp_path / "a.pt")
    closed = touch(tmp_path / "closed" / "b.pt").parent
    closed.chmod(0)
    try:
        assert ids(tmp_path) == ["a.pt"]
    finally:
        closed.chmod(0o700)
    assert "closed" in caplog.text


def test_a_folder_that_the_system_refuses_is_logged(tmp_path, caplog, monkeypatch):
    touch(tmp_path / "a.pt")
    touch(tmp_path / "closed" / "b.pt")
    real = os.scandir

    def scandir(path):
        if "closed" in str(path):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert ids(tmp_path) == ["a.pt"]
    assert "closed" in caplog.text
    assert "Permission denied" in caplog.text


def test_overlapping_and_repeated_roots_list_a_file_once(tmp_path):
    touch(tmp_path / "art" / "a.pt")
    assert ids(tmp_path, tmp_path / "art", tmp_path) == ["art/a.pt"]
    assert ids(tmp_path / "art", tmp_path) == ["a.pt"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
class TestLinks:
    def test_a_loop_of_links_ends(self, tmp_path):
        touch(tmp_path / "a" / "x.pt")
        (tmp_path / "a" / "up").symlink_to(tmp_path, target_is_directory=True)
        (tmp_path / "self").symlink_to(tmp_path / "self")
        assert ids(tmp_path) == ["a/x.pt"]

    def test_a_linked_folder_is_entered(self, tmp_path):
        touch(tmp_path / "elsewhere" / "x.pt")
        (tmp_path / "root").mkdir()
        (tmp_path / "root" / "more").symlink_to(tmp_path / "elsewhere")
        assert ids(tmp_path / "root") == ["more/x.pt"]

    def test_the_id_follows_the_real_folder_and_not_a_link_to_it(self, tmp_path):
        touch(tmp_path / "z" / "x.pt")
        (tmp_path / "a").symlink_to(tmp_path / "z")
        assert ids(tmp_path) == ["z/x.pt"]

    def test_a_linked_file_has_the_name_of_the_link(self, tmp_path):
        blob = touch(tmp_path / "blobs" / "4d7a", b"123")
        (tmp_path / "ink.safetensors").symlink_to(blob)
        (file,) = scan_networks([tmp_path])
        assert (file.id, file.size) == ("ink.safetensors", 3)

    def test_a_link_that_leads_nowhere_is_no_file(self, tmp_path):
        (tmp_path / "gone.pt").symlink_to(tmp_path / "nothing")
        assert ids(tmp_path) == []

    def test_a_pipe_is_no_file(self, tmp_path):
        os.mkfifo(tmp_path / "pipe.pt")
        assert ids(tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps any bytes in a name")
def test_a_name_that_is_no_text_is_listed_and_printable(tmp_path):
    with open(os.fsencode(tmp_path) + b"/caf\xe9.pt", "wb"):  # noqa: PTH123 - bytes, on purpose
        pass
    (file,) = scan_networks([tmp_path])
    assert file.id == "caf\\xe9.pt"
    assert file.id.encode("utf-8")
    assert file.path.exists()


def scanned(*roots):
    return {each.file.id: each for each in scan_tree(roots).files}


class TestCompanions:
    def test_sidecars_and_previews_are_listed_with_their_model(self, tmp_path):
        for name in ("ink.pt", "ink.json", "INK.preview.png", "ink.wash.pt", "ink.wash.json"):
            touch(tmp_path / "art" / name)
        touch(tmp_path / "art" / "notes.txt")
        files = scanned(tmp_path)
        assert files["art/ink.pt"].companions == ("INK.preview.png", "ink.json")
        assert files["art/ink.wash.pt"].companions == ("ink.wash.json",)

    @given(names=st.sets(st.builds(
        lambda stem, suffix: stem + suffix,
        st.sampled_from(["ink", "INK", "ink.wash", "ink_1", "a"]),
        st.sampled_from([".pt", ".safetensors", ".json", ".pt.json", ".png", "_1.jpg",
                         ".preview.png", ".txt", ".doc", ".metadata.json"]),
    ), max_size=9))
    def test_they_are_those_that_the_names_alone_say(self, names):
        with tempfile.TemporaryDirectory() as folder:
            for name in names:
                touch(Path(folder) / name)
            there = [path.name for path in Path(folder).iterdir()]  # a disk may know no case
            wanted = companions_by_model(there)
            assert {id_: each.companions for id_, each in scanned(Path(folder)).items()} == wanted

    def test_the_stamp_tells_an_edited_added_or_removed_sidecar(self, tmp_path):
        touch(tmp_path / "ink.pt")
        stamps = [scanned(tmp_path)["ink.pt"].companions_stamp]
        note = touch(tmp_path / "ink.json", b"{}")
        stamps.append(scanned(tmp_path)["ink.pt"].companions_stamp)
        os.utime(note, ns=(1, 1))
        stamps.append(scanned(tmp_path)["ink.pt"].companions_stamp)
        note.rename(tmp_path / "ink.txt")
        stamps.append(scanned(tmp_path)["ink.pt"].companions_stamp)
        assert len(set(stamps)) == 4
        (tmp_path / "ink.txt").unlink()
        assert scanned(tmp_path)["ink.pt"].companions_stamp == stamps[0] == ""

    def test_another_file_changes_nothing(self, tmp_path):
        touch(tmp_path / "ink.pt")
        touch(tmp_path / "ink.json")
        before = scanned(tmp_path)["ink.pt"]
        for name in ("pen.pt", "pen.json", "ink.wash.json"):
            touch(tmp_path / name)
        assert scanned(tmp_path)["ink.pt"] == before


class TestWhatCannotBeSeen:
    def test_a_root_that_does_not_exist_is_offline(self, tmp_path):
        touch(tmp_path / "here" / "a.pt")
        scan = scan_tree([tmp_path / "gone", tmp_path / "here"])
        assert scan.offline == (tmp_path / "gone",)
        assert [each.file.id for each in scan.files] == ["a.pt"]

    def test_a_refused_folder_and_a_link_that_leads_nowhere_are_uncertain(
        self, tmp_path, monkeypatch
    ):
        touch(tmp_path / "closed" / "b.pt")
        if sys.platform != "win32":
            (tmp_path / "drive").symlink_to(tmp_path / "unplugged")
            (tmp_path / "ink.pt").symlink_to(tmp_path / "unplugged.pt")
        real = os.scandir

        def scandir(path):
            if "closed" in str(path):
                raise PermissionError(13, "Permission denied")
            return real(path)

        monkeypatch.setattr(os, "scandir", scandir)
        unsure = {id_ for _, id_ in list_models([tmp_path]).unsure}
        links = {"drive/", "ink.pt"} if sys.platform != "win32" else set()
        assert unsure == {"closed/", *links}

    def test_an_empty_root_is_told_from_one_that_holds_anything(self, tmp_path):
        (tmp_path / "bare").mkdir()
        touch(tmp_path / "used" / ".hidden")
        listing = list_models([tmp_path / "bare", tmp_path / "used"])
        assert listing.bare == (tmp_path / "bare",)
        assert listing.offline == ()

    def test_a_look_can_be_cancelled(self, tmp_path):
        with pytest.raises(CancelledError):
            list_models([tmp_path], cancelled=lambda: True)


def test_only_the_wanted_files_are_looked_at_and_the_others_on_demand(tmp_path):
    for name in ("a.pt", "b.pt", "b.json"):
        touch(tmp_path / name)
    listing = list_models([tmp_path], lambda level, entry: entry.name == "a.pt")
    here = str(tmp_path)
    assert list(listing.found) == [(here, "a.pt")]
    found = listing.look((here, "b.pt"))
    assert found.companions == ("b.json",)
    assert found == list_models([tmp_path]).found[here, "b.pt"]
    assert listing.look((here, "c.pt")) is None
