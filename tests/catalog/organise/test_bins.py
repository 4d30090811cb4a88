"""The notes of a freedesktop.org bin: who wrote them and how odd they are does not matter."""

from datetime import datetime

import pytest
from loradex.catalog.organising.bins import Bin, bin_folders, in_bins, info_of


@pytest.fixture
def bin_of(tmp_path):
    for name in ("files", "info"):
        (tmp_path / "Trash" / name).mkdir(parents=True)

    def put(name, note, kept=True):
        if kept:
            (tmp_path / "Trash/files" / name).write_bytes(b"x")
        (tmp_path / "Trash/info" / f"{name}.trashinfo").write_bytes(note)
        return [Bin(tmp_path / "Trash", tmp_path)]

    return put


def test_percent_signs_bytes_and_spaces_in_names(bin_of, tmp_path):
    odd = tmp_path / "a b%20=[x]\n\udcff.pt"
    note = b"[Trash Info]\nPath=" + str(tmp_path).encode() + b"/a%20b%2520%3D[x]%0A%FF.pt\n"
    (found,) = in_bins(bin_of("1", note + b"DeletionDate=2026-01-02T03:04:05\n"), odd)
    assert found.deleted == datetime(2026, 1, 2, 3, 4, 5)
    assert info_of(found.kept).exists()


def test_relative_paths_begin_at_the_top_of_the_drive(bin_of, tmp_path):
    bins = bin_of("1", b"[Trash Info]\nPath=Lora/ink.pt\nDeletionDate=2026-01-02T03:04:05")
    assert [each.kept.name for each in in_bins(bins, tmp_path / "Lora/ink.pt")] == ["1"]


def test_the_first_of_two_equal_keys_counts_and_unknown_ones_do_not(bin_of, tmp_path):
    bins = bin_of("1", b"[Trash Info]\nX-Extra=1\nPath=ink.pt\nPath=pen.pt\n")
    assert list(in_bins(bins, tmp_path / "ink.pt"))
    assert not list(in_bins(bins, tmp_path / "pen.pt"))


@pytest.mark.parametrize(
    "note",
    [b"", b"\xff\xfe\x00", b"[Other]\nPath=ink.pt\n", b"[Trash Info]\n", b"[Trash Info]\nPath=\n",
     b"[Trash Info]\nPath ink.pt\n"],
)  # fmt: skip
def test_damaged_notes_are_passed_over(bin_of, tmp_path, note):
    assert not list(in_bins(bin_of("1", note), tmp_path / "ink.pt"))


def test_a_note_with_a_broken_date_counts_as_the_oldest(bin_of, tmp_path):
    bins = bin_of("1", b"[Trash Info]\nPath=ink.pt\nDeletionDate=yesterday\n")
    assert [each.deleted for each in in_bins(bins, tmp_path / "ink.pt")] == [datetime.min]


def test_a_note_without_its_file_is_passed_over(bin_of, tmp_path):
    bins = bin_of("1", b"[Trash Info]\nPath=ink.pt\n", kept=False)
    assert not list(in_bins(bins, tmp_path / "ink.pt"))


def test_the_users_own_bin_comes_first_and_a_missing_one_is_empty(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    bins = bin_folders(tmp_path / "ink.pt")
    assert bins[0] == Bin(tmp_path / "data/Trash", tmp_path / "data")
    assert not list(in_bins(bins, tmp_path / "ink.pt"))
