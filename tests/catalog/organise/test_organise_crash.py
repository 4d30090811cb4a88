"""A program that dies in the middle of an operation leaves nothing half done."""

import json
import os
import shutil
from pathlib import Path

import pytest
from loradex.catalog.organising import carrier
from loradex.catalog.organising.journal import Journal
from loradex.catalog.organising.operations import Edit, Operation, Row, Step, Write
from loradex.catalog.organising.portable import fold
from loradex.errors import InputError


class Crash(BaseException):
    """Nothing catches it, as nothing catches a power cut."""


class Fuse:
    """Dies before or after the n-th change of the file system."""

    def __init__(self, monkeypatch, count, late):
        self.left, self.late, self.inside = count, late, False
        for name in ("rename", "unlink", "symlink_to", "mkdir"):
            monkeypatch.setattr(Path, name, self.wrapped(getattr(Path, name)))
        monkeypatch.setattr(os, "rename", self.wrapped(os.rename))  # Send2Trash's

    def wrapped(self, original):
        def call(path, *args, **options):
            if self.inside or "catalog-home" in Path(os.fsdecode(path)).parts:
                return original(path, *args, **options)
            self.left -= 1
            if self.left == 0 and not self.late:
                raise Crash
            self.inside = True
            try:
                result = original(path, *args, **options)
            finally:
                self.inside = False
            if self.left == 0:
                raise Crash
            return result

        return call


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """What a power cut loses is not tested here, and waiting for the disk takes long."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture
def other_disk(libraries):
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == libraries.root.stat().st_dev:
        pytest.skip("needs a second file system")
    real = shared / f"loradex-crash-{os.getpid()}"
    real.mkdir()
    libraries.roots[1].rmdir()
    libraries.roots[1].symlink_to(real)
    yield libraries
    shutil.rmtree(real)


def move(library):
    return library.organiser.move([library.key("ink.pt"), library.key("pen.pt")], "a/b")


def rename(library):
    return library.organiser.rename(library.key("ink.pt"), "brush")


def trash(library):
    return library.organiser.trash([library.key("ink.pt"), library.key("pen.pt")])


def move_away(library):
    keys = [library.key("ink.pt"), library.key("pen.pt")]
    return library.organiser.move(keys, "a", root=library.roots[1])


def undo(library):
    return library.organiser.undo()


def redo(library):
    return library.organiser.redo()


BACK = {"undo": redo}


def crash_everywhere(library, act):
    """Lets `act` die at every point; after the next open all of it happened, or nothing."""
    back = BACK.get(act.__name__, undo)
    before = library.tree()
    assert act(library).done
    after = library.tree()
    assert back(library).done
    assert library.tree() == before != after
    ends = set()
    for late in (False, True):
        for count in range(1, 60):
            with pytest.MonkeyPatch.context() as patch:
                fuse = Fuse(patch, count, late)
                try:
                    act(library)
                except Crash:
                    library.organiser = library.open()
                    (settled,) = library.organiser.recover()
                    ends.add(settled.done)
            assert not library.journal.unfinished()
            assert library.true(), (count, late)
            tree = library.tree()
            assert tree in (before, after), (count, late)
            if tree == after:
                assert back(library).done
                assert library.tree() == before
            if fuse.left > 0:
                break
        else:
            raise AssertionError("the operation never ended")
    return ends


FILES = ("ink.pt", "ink.json", "ink.safetensors", "pen.pt", "pen.png")


@pytest.mark.parametrize("act", [move, rename, trash])
def test_at_any_moment(library, act):
    library.add(*FILES)
    assert crash_everywhere(library, act) == {True, False}


@pytest.mark.parametrize("act", [move, rename, trash])
def test_at_any_moment_of_an_undo(library, act):
    library.add(*FILES)
    act(library)
    assert crash_everywhere(library, undo) == {True, False}


def test_at_any_moment_of_a_move_to_another_file_system(other_disk):
    other_disk.add(*FILES)
    assert crash_everywhere(other_disk, move_away) == {True, False}


def change_case(library):
    return library.organiser.rename(library.key("ink.pt"), "INK")


def test_at_any_moment_of_the_two_renames_that_change_the_case(library, monkeypatch):
    """The way that is taken where `ink` and `INK` are one file; here they are not."""
    def same(one, other):
        return one.parent == other.parent and fold(one.name) == fold(other.name)

    monkeypatch.setattr(carrier, "is_same_entry", same)
    library.add("ink.pt", "ink.json", "pen.pt")
    assert crash_everywhere(library, change_case) == {True, False}


def test_a_copy_that_was_cut_off_is_removed(other_disk, monkeypatch):
    other_disk.add(*FILES)
    before = other_disk.tree()

    def dies(reader, writer, size):
        writer.write(b"half")
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", dies)
        with pytest.raises(Crash):
            move_away(other_disk)
    assert other_disk.tree() != before
    (settled,) = other_disk.open().recover()
    assert other_disk.tree() == before
    assert settled.problems == ("The program ended in the middle of it; everything was put back.",)


def test_what_came_to_the_old_place_meanwhile_is_kept_and_said_so(library, monkeypatch):
    library.add(*FILES)
    key = library.key("pen.pt")
    with monkeypatch.context() as patch:
        Fuse(patch, 5, late=True)
        with pytest.raises(Crash):
            library.organiser.move([library.key("ink.pt"), key], "a/b")
    moved = library.ids() - set(FILES)
    assert "a/b/ink.pt" in moved
    (library.root / "ink.pt").write_bytes(b"another")
    (settled,) = library.open().recover()
    assert not settled.done
    assert any("both stay" in problem for problem in settled.problems)
    assert library.tree()["Lora/ink.pt"] == b"another"
    assert library.tree()["Lora/a/b/ink.pt"] == b"ink.pt" * 3


def test_the_next_operation_settles_what_was_left(library, monkeypatch):
    library.add(*FILES)
    with monkeypatch.context() as patch:
        Fuse(patch, 3, late=True)
        with pytest.raises(Crash):
            move(library)
    library.open().edit([library.key("ink.safetensors")], rating=3)
    assert library.ids() == set(FILES)
    assert library.true()


def test_a_half_done_edit_is_taken_back(library):
    keys = [library.add("ink.pt"), library.add("pen.pt")]

    class Dying:
        def __init__(self, store):
            self.store, self.left = store, 1

        def __getattr__(self, name):
            return getattr(self.store, name)

        def set_user(self, key, **changes):
            if not self.left:
                raise Crash
            self.left -= 1
            return self.store.set_user(key, **changes)

    real = library.store
    library.store = Dying(real)
    with pytest.raises(Crash):
        library.open().edit(keys, favourite=True)
    library.store = real
    assert real.get(keys[0]).user.favourite
    library.open().recover()
    assert not real.get(keys[0]).user.favourite


class TestJournal:
    ODD = Operation(
        "1", "move",
        (Step(Path("/a/\udcff.pt"), Path("/b/é\n.pt")), Step(Path("/c.pt"), None, "trash")),
        rows=(Row(1, Path("/a"), None, 5, 6, ("x",)),),
        edits=(Edit(1, "f", "tags", ("a",), ()), Edit(1, "f", "rating", None, 3)),
        writes=(Write(Path("/a.json"), None, b"\x00\xff"),), started=1.5,
    )  # fmt: skip

    def test_an_operation_comes_back_as_it_was_written(self, tmp_path):
        journal = Journal(tmp_path / "journal.jsonl")
        journal.begin(self.ODD)
        assert Journal(journal.path).unfinished() == (self.ODD,)
        journal.end(self.ODD)
        assert Journal(journal.path).operations() == (self.ODD,)

    def test_without_a_path_it_lives_in_memory(self):
        journal = Journal(None)
        with journal.working():
            journal.begin(self.ODD)
            assert journal.unfinished() == (self.ODD,)
            journal.end(self.ODD)
        assert journal.operations() == (self.ODD,)

    @pytest.mark.parametrize(
        "damage",
        [b"{", b"\xff\xfe\n", b"[]\n", b"null\n", b'{"id":"2"}\n', b'{"event":"begin","id":"2"}\n',
         b'{"event":"end","id":"1"}\n', b"[" * 100_000 + b"\n", b"\n\n\n",
         b'{"event":"begin","id":[],"kind":1}\n'],
        ids=range(10),
    )  # fmt: skip
    def test_damaged_lines_are_passed_over(self, tmp_path, damage):
        path = tmp_path / "journal.jsonl"
        Journal(path).begin(self.ODD)
        with path.open("ab") as file:
            file.write(damage)
        journal = Journal(path)
        assert journal.unfinished() == (self.ODD,)
        journal.end(self.ODD)
        assert Journal(path).operations() == (self.ODD,)

    def test_a_file_of_bytes_that_are_no_journal(self, tmp_path):
        path = tmp_path / "journal.jsonl"
        path.write_bytes(os.urandom(1000))
        assert Journal(path).operations() == ()

    def test_the_last_operations_are_kept_and_those_that_never_ended(self, tmp_path):
        from dataclasses import replace

        path = tmp_path / "journal.jsonl"
        journal = Journal(path, kept=10)
        journal.begin(replace(self.ODD, id="never"))
        for number in range(250):
            journal.begin(replace(self.ODD, id=str(number)))
            journal.end(replace(self.ODD, id=str(number), done=True))
        ids = [each.id for each in Journal(path).operations()]
        assert ids[-10:] == [str(number) for number in range(240, 250)]
        assert len(ids) <= 110
        assert [each.id for each in Journal(path).unfinished()] == ["never"]
        assert journal.operations() == Journal(path).operations()

    def test_two_programs_see_each_others_operations(self, tmp_path):
        one, other = (Journal(tmp_path / "journal.jsonl") for _ in range(2))
        one.begin(self.ODD)
        one.end(self.ODD)
        assert [each.id for each in other.operations()] == ["1"]

    def test_while_one_program_works_another_waits_and_then_says_so(self, tmp_path):
        one, other = (Journal(tmp_path / "journal.jsonl") for _ in range(2))
        other._lock._patience = 0.1
        with one.working(), pytest.raises(InputError, match="another program"), other.working():
            pass
        with other.working():
            pass

    def test_where_it_cannot_be_written_nothing_is_done(self, library):
        key = library.add("ink.pt")
        library.journal.path.mkdir(parents=True)
        with pytest.raises((InputError, OSError)):
            library.organiser.move([key], "a")
        assert library.ids() == {"ink.pt"}

    def test_every_line_is_json_without_odd_bytes(self, tmp_path):
        journal = Journal(tmp_path / "journal.jsonl")
        journal.begin(self.ODD)
        journal.end(self.ODD)
        for line in journal.path.read_bytes().splitlines():
            assert json.loads(line.decode("ascii"))["id"] == "1"
