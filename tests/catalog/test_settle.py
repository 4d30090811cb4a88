"""Settling, by a clock of our own: what is still being written is never reported, and then once."""

import os
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loradex.catalog.disk.settle import GATHER, PATIENCE, REST, Settler, is_whole, look_at

from tests.catalog.diskkit import write

HEADER = b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
WHOLE = len(HEADER).to_bytes(8, "little") + HEADER + b"8 bytes."


class Clock:
    """Time that passes when a test says so."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Desk:
    """A settler whose clock goes from one thing to do to the next."""

    def __init__(self, **how):
        self.clock = Clock()
        self.settler = Settler(self.clock, **how)
        self.batches = []

    def note(self, *paths):
        for path in paths:
            self.settler.note(str(path))

    def pass_time(self, seconds):
        end = self.clock.now + seconds
        while (due := self.settler.due()) is not None and self.clock.now + due <= end:
            self.clock.now += due
            if batch := self.settler.tick():
                self.batches.append((round(self.clock.now - 100, 3), {p.name for p in batch}))
        self.clock.now = end

    @property
    def reported(self):
        return [name for _, batch in self.batches for name in sorted(batch)]


@pytest.fixture
def desk():
    return Desk()


def test_a_file_that_rests_is_reported_after_two_equal_looks(desk, tmp_path):
    desk.note(write(tmp_path / "a.safetensors", WHOLE))
    desk.pass_time(10)
    assert desk.batches == [(REST, {"a.safetensors"})]
    assert desk.settler.due() is None


def test_a_slow_copy_is_reported_once_after_its_last_byte(desk, tmp_path):
    path = tmp_path / "a.safetensors"
    for stop in range(0, len(WHOLE), 5):
        write(path, WHOLE[:stop])
        desk.note(path)
        desk.pass_time(0.8)
    last = desk.clock.now - 100
    write(path, WHOLE)
    desk.note(path)
    desk.pass_time(10)
    ((when, _),) = desk.batches
    assert when - last <= 2


def test_a_copy_that_is_told_only_at_its_beginning_is_waited_for(desk, tmp_path):
    path = write(tmp_path / "a.safetensors", WHOLE[:10])
    desk.note(path)
    for stop in (30, 60, len(WHOLE)):
        desk.pass_time(1)
        write(path, WHOLE[:stop])
    desk.pass_time(2)
    assert desk.reported == ["a.safetensors"]


def test_a_file_that_stays_cut_is_reported_as_it_is(desk, tmp_path):
    desk.note(write(tmp_path / "a.safetensors", WHOLE[:-1]))
    desk.pass_time(PATIENCE - 0.1)
    assert desk.batches == []
    desk.pass_time(1)
    assert desk.reported == ["a.safetensors"]


@pytest.mark.parametrize("content", [b"<!DOCTYPE html><html>" * 9, b"PK\x03\x04" * 9, b"x" * 99])
def test_something_else_under_the_name_of_a_model_is_not_waited_for(desk, tmp_path, content):
    desk.note(write(tmp_path / "a.safetensors", content))
    desk.pass_time(REST)
    assert desk.reported == ["a.safetensors"]


def test_temporary_names_are_nothing_until_they_are_renamed(desk, tmp_path):
    path = write(tmp_path / "a.safetensors.crdownload", WHOLE)
    desk.note(path)
    desk.pass_time(10)
    assert desk.batches == []
    path.rename(tmp_path / "a.safetensors")
    desk.note(path, tmp_path / "a.safetensors")
    desk.pass_time(REST)
    assert desk.reported == ["a.safetensors"]


def test_a_download_beside_its_control_file_is_waited_for(desk, tmp_path):
    path = write(tmp_path / "a.safetensors", WHOLE)
    control = write(tmp_path / "a.safetensors.aria2", b"")
    desk.note(path, control)
    desk.pass_time(1)
    assert desk.batches == []
    control.unlink()
    desk.note(control)
    desk.pass_time(2 * REST)
    assert desk.reported == ["a.safetensors"]


def test_a_burst_is_reported_in_few_batches(desk, tmp_path):
    for n in range(500):
        desk.note(write(tmp_path / f"{n}.safetensors", WHOLE))
        desk.pass_time(0.005)
    desk.pass_time(10)
    assert sorted(desk.reported) == sorted(f"{n}.safetensors" for n in range(500))
    assert len(desk.batches) <= 2.5 / GATHER + 2


def test_one_slow_copy_holds_up_nothing_else(desk, tmp_path):
    slow = write(tmp_path / "slow.safetensors", WHOLE[:20])
    desk.note(slow)
    desk.pass_time(1)
    desk.note(write(tmp_path / "a.safetensors", WHOLE))
    desk.pass_time(REST + GATHER)
    assert desk.reported == ["a.safetensors"]


def test_what_is_gone_is_reported(desk, tmp_path):
    desk.note(tmp_path / "a.safetensors", tmp_path / "folder.v1")
    desk.pass_time(1)
    assert desk.reported == ["a.safetensors", "folder.v1"]


def test_other_files_are_dropped_and_sidecars_are_not(desk, tmp_path):
    for name in ("a.zip", "a.py", "noname", "a.json", "a.preview.png", "a.pt"):
        desk.note(write(tmp_path / name, b"{}"))
    desk.pass_time(5)
    assert sorted(desk.reported) == ["a.json", "a.preview.png", "a.pt"]


def test_the_files_of_a_folder_rest_by_themselves_and_the_folder_after_them(desk, tmp_path):
    slow = write(tmp_path / "art" / "x" / "slow.safetensors", WHOLE[:20])
    write(tmp_path / "art" / "a.safetensors", WHOLE)
    desk.note(tmp_path / "art")
    desk.pass_time(1.5)
    assert desk.reported == ["a.safetensors"]
    write(slow, WHOLE)
    desk.pass_time(2)
    assert desk.reported == ["a.safetensors", "slow.safetensors", "art"]


def test_an_event_between_two_looks_starts_the_wait_anew(tmp_path):
    """The file's size and times may be those of before: a coarse clock, the same length."""
    desk = Desk(look=lambda path: look_at(str(fixed)))
    fixed = write(tmp_path / "a.safetensors", WHOLE)
    for _ in range(5):
        desk.note(fixed)
        desk.pass_time(0.2)
    assert desk.batches == []
    desk.pass_time(1)
    assert desk.reported == ["a.safetensors"]


def test_events_without_end_do_not_hide_a_file_that_rests(desk, tmp_path):
    path = write(tmp_path / "a.safetensors", WHOLE)
    for _ in range(int(PATIENCE / 0.1) + 10):
        desk.note(path)
        desk.pass_time(0.1)
    assert "a.safetensors" in desk.reported


@given(
    st.lists(st.tuples(st.floats(0.01, 1.2), st.sampled_from("abc")), max_size=12),
)
def test_the_last_change_of_every_path_is_always_reported_after_it(steps):
    """Whatever the order of writes: nothing is missed, nothing is reported while it moves."""
    looks = {}
    desk = Desk(look=lambda path: looks[Path(path).name], whole=lambda path: True)
    changed = {}
    for number, (pause, name) in enumerate(steps):
        looks[f"{name}.pt"] = look_at(os.devnull)._replace(kind="file", size=number)
        changed[f"{name}.pt"] = round(desk.clock.now - 100, 3)
        desk.note(f"{name}.pt")
        desk.pass_time(pause)
    desk.pass_time(5)
    for name, when in changed.items():
        after = [at for at, batch in desk.batches if name in batch and at > when]
        assert len(after) == 1
        assert after[0] - when <= 2


class TestWhole:
    def test_a_file_is_whole_from_its_last_byte_on(self, tmp_path):
        for stop in range(len(WHOLE)):
            assert not is_whole(str(write(tmp_path / "a.safetensors", WHOLE[:stop])))
        assert is_whole(str(write(tmp_path / "a.safetensors", WHOLE)))
        assert is_whole(str(write(tmp_path / "a.safetensors", WHOLE + b"more")))

    def test_reserved_space_is_not_whole(self, tmp_path):
        assert not is_whole(str(write(tmp_path / "a.safetensors", bytes(1000))))

    def test_metadata_cannot_lie_about_the_length(self, tmp_path):
        header = br'{"__metadata__":{"x":"\"data_offsets\":[0,999]"},"a":{"data_offsets":[0,1]}}'
        content = len(header).to_bytes(8, "little") + header + b"1"
        assert is_whole(str(write(tmp_path / "a.safetensors", content)))

    def test_an_archive_is_whole_with_its_list_of_members(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
            archive.writestr("data.pkl", b"x" * 100)
        content = (tmp_path / "a.pt").read_bytes()
        assert is_whole(str(tmp_path / "a.pt"))
        assert not is_whole(str(write(tmp_path / "b.pt", content[:-30])))
        assert is_whole(str(write(tmp_path / "c.pt", b"\x80\x02 a pickle")))

    def test_a_file_that_is_gone_is_not_whole(self, tmp_path):
        assert not is_whole(str(tmp_path / "a.safetensors"))

    @pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
    def test_a_folder_is_looked_at_through_a_link(self, tmp_path):
        (tmp_path / "art").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "art")
        assert look_at(str(tmp_path / "link")).kind == "folder"
        assert look_at(str(Path(os.sep) / "no" / "such")).kind == "nothing"
