"""Listing folders: everything that is a file is found once, and nothing ends the scan."""

import logging
import os
import sys

import pytest
from loradex.catalog.scan import scan_networks


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
