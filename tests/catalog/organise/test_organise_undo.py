"""Everything that was done can be undone, and the undo too; nothing is overwritten on the way."""

import os

import pytest
from loradex.errors import InputError


def test_undo_brings_back_every_file_and_the_row(library):
    key = library.add("a/ink.safetensors", "a/ink.json", "a/ink.png")
    before = library.tree()
    library.organiser.move([key], "b")
    undone = library.organiser.undo()
    assert undone.kind == "undo"
    assert library.tree() == before
    assert library.id_of(key) == "a/ink.safetensors"
    assert library.true()


def test_undo_goes_back_step_by_step_and_ends(library):
    key = library.add("ink.safetensors")
    library.organiser.move([key], "a")
    library.organiser.rename(key, "pen")
    library.organiser.undo()
    assert library.ids() == {"a/ink.safetensors"}
    library.organiser.undo()
    assert library.ids() == {"ink.safetensors"}
    with pytest.raises(InputError, match="nothing to undo"):
        library.organiser.undo()


def test_an_undo_can_be_undone_and_that_again(library):
    key = library.add("ink.safetensors", "ink.json")
    moved = library.organiser.move([key], "a")
    undone = library.organiser.undo()
    redone = library.organiser.redo()
    assert (redone.kind, redone.undoes) == ("redo", undone.id)
    assert library.ids() == {"a/ink.safetensors", "a/ink.json"}
    assert library.organiser.undo().undoes == redone.id
    assert library.ids() == {"ink.safetensors", "ink.json"}
    with pytest.raises(InputError, match="was undone already"):
        library.organiser.undo(moved.id)


def test_redo_is_over_when_something_else_was_done(library):
    key = library.add("ink.safetensors")
    library.organiser.move([key], "a")
    library.organiser.undo()
    library.organiser.rename(key, "pen")
    with pytest.raises(InputError, match="nothing to do again"):
        library.organiser.redo()


def test_an_older_operation_can_be_undone_by_its_id(library):
    ink, pen = library.add("ink.pt"), library.add("pen.pt")
    first = library.organiser.move([ink], "a")
    library.organiser.move([pen], "b")
    library.organiser.undo(first.id)
    assert library.ids() == {"ink.pt", "b/pen.pt"}
    with pytest.raises(InputError, match="no such operation"):
        library.organiser.undo("nonsense")


def test_a_dry_run_of_an_undo_tells_its_steps(library):
    key = library.add("ink.safetensors", "ink.json")
    library.organiser.move([key], "a")
    planned = library.organiser.undo(dry_run=True)
    assert library.ids() == {"a/ink.safetensors", "a/ink.json"}
    assert library.organiser.undo().steps == planned.steps


def test_undo_still_works_after_a_restart(library):
    key = library.add("ink.safetensors")
    library.organiser.move([key], "a")
    assert library.open().undo().done
    assert library.ids() == {"ink.safetensors"}
    assert [each.kind for each in library.open().history()] == ["undo", "move"]


class TestChangedSince:
    def test_another_file_at_the_old_place_is_not_overwritten(self, library):
        key = library.add("ink.safetensors", "ink.json")
        library.organiser.move([key], "a")
        library.write("ink.json")
        before = library.tree()
        with pytest.raises(InputError, match=r"ink\.json: another file is there now"):
            library.organiser.undo()
        assert library.tree() == before

    def test_another_file_at_the_new_place_is_not_carried_off(self, library):
        key = library.add("ink.safetensors")
        library.organiser.move([key], "a")
        (library.root / "a/ink.safetensors").write_bytes(b"retrained")
        with pytest.raises(InputError, match="changed since"):
            library.organiser.undo()

    def test_a_model_that_left_is_a_reason_to_refuse(self, library):
        key = library.add("ink.safetensors")
        library.organiser.move([key], "a")
        (library.root / "a/ink.safetensors").rename(library.root / "pen.safetensors")
        with pytest.raises(InputError, match="no longer there"):
            library.organiser.undo()

    def test_a_sidecar_that_left_is_only_told(self, library):
        key = library.add("ink.safetensors", "ink.json")
        library.organiser.move([key], "a")
        (library.root / "a/ink.json").unlink()
        undone = library.organiser.undo()
        assert undone.done
        assert "no longer there" in undone.notes[0]
        assert library.ids() == {"ink.safetensors"}

    def test_a_preview_that_came_since_goes_back_with_its_model(self, library):
        key = library.add("ink.safetensors")
        library.organiser.rename(key, "pen")
        library.write("pen.preview.png")
        library.organiser.undo()
        assert library.ids() == {"ink.safetensors", "ink.preview.png"}

    def test_an_edited_sidecar_goes_back_as_it_is_now(self, library):
        key = library.add("ink.safetensors", "ink.json")
        library.organiser.move([key], "a")
        (library.root / "a/ink.json").write_text("edited")
        library.organiser.undo()
        assert library.tree()["Lora/ink.json"] == b"edited"

    def test_a_folder_that_became_a_link_out_of_the_roots(self, library):
        key = library.add("a/ink.safetensors")
        library.organiser.move([key], "b")
        outside = library.base / "outside"
        outside.mkdir()
        (library.root / "a").rmdir()
        (library.root / "a").symlink_to(outside)
        with pytest.raises(InputError, match="leads out"):
            library.organiser.undo()
        assert not list(outside.iterdir())

    def test_a_root_that_is_offline_is_not_made_anew(self, libraries):
        key = libraries.add("ink.pt")
        libraries.organiser.move([key], "", root=libraries.roots[1])
        libraries.root.rmdir()
        with pytest.raises(InputError, match="offline"):
            libraries.organiser.undo()
        assert not libraries.root.exists()


class TestBin:
    def test_the_whole_family_goes_into_the_bin(self, library, bin_):
        key = library.add("ink.safetensors", "ink.json", "ink.png", "pen.png")
        planned = library.organiser.trash([key], dry_run=True)
        assert library.organiser.trash([key]).steps == planned.steps
        assert library.ids() == {"pen.png"}
        assert {path.name for path in (bin_ / "files").iterdir()} == {
            "ink.safetensors", "ink.json", "ink.png",
        }  # fmt: skip
        assert library.id_of(key) == "gone"

    def test_undo_fetches_it_back_and_leaves_no_note_in_the_bin(self, library, bin_):
        key = library.add("art/ink.safetensors", "art/ink.json")
        library.organiser.edit([key], favourite=True)
        before = library.tree()
        library.organiser.trash([key])
        assert library.organiser.undo().done
        assert library.tree() == before
        assert not list((bin_ / "files").iterdir())
        assert not list((bin_ / "info").iterdir())
        assert library.id_of(key) == "art/ink.safetensors"
        assert library.store.get(key).user.favourite
        library.organiser.redo()
        assert not library.tree()

    def test_a_sidecar_that_another_model_shares_stays(self, library):
        key = library.add("ink.safetensors", "ink.pt", "ink.json")
        library.organiser.trash([key])
        assert library.ids() == {"ink.pt", "ink.json"}

    def test_of_two_files_of_one_place_each_undo_fetches_its_own(self, library):
        first = library.add("ink.pt")
        one = library.organiser.trash([first])
        (library.root / "ink.pt").write_bytes(b"another")
        library.scan()
        second = library.organiser.trash([library.key("ink.pt")])
        library.organiser.undo(one.id)
        assert library.tree() == {"Lora/ink.pt": b"ink.ptink.ptink.pt"}
        with pytest.raises(InputError, match="another file is there now"):
            library.organiser.undo(second.id)

    def test_a_link_that_leads_nowhere_stays_behind(self, library):
        (library.root / "ink.json").symlink_to("nowhere")
        key = library.add("ink.pt")
        assert library.organiser.trash([key]).done
        assert (library.root / "ink.json").is_symlink()

    def test_an_emptied_bin_is_said_so(self, library, bin_):
        key = library.add("ink.pt")
        library.organiser.trash([key])
        (bin_ / "files/ink.pt").unlink()
        with pytest.raises(InputError, match="no longer in the bin"):
            library.organiser.undo()

    def test_a_failure_in_the_middle_fetches_the_others_back(self, library, monkeypatch):
        keys = [library.add("ink.pt", "ink.json"), library.add("pen.pt")]
        before = library.tree()
        rename = os.rename

        def locked(source, target):
            if b"pen" in os.fsencode(source).rpartition(b"/")[2]:
                raise OSError(5, "Input/output error")
            rename(source, target)

        monkeypatch.setattr(os, "rename", locked)
        failed = library.organiser.trash(keys)
        assert failed.problems == ("pen.pt: Input/output error. Try again.",)
        assert library.tree() == before
        assert library.true()

    def test_without_send2trash_nothing_is_deleted(self, library, monkeypatch):
        import sys

        monkeypatch.setitem(sys.modules, "send2trash", None)
        key = library.add("ink.pt")
        failed = library.organiser.trash([key])
        assert "Send2Trash is not installed" in failed.problems[0]
        assert "pip install Send2Trash" in failed.problems[0]
        assert library.ids() == {"ink.pt"}

    def test_a_drive_without_a_bin_is_said_so_and_nothing_is_deleted(self, library, monkeypatch):
        import send2trash
        from send2trash.exceptions import TrashPermissionError

        def no_bin(path):
            raise TrashPermissionError("/mnt/nas/.Trash-1000")

        monkeypatch.setattr(send2trash, "send2trash", no_bin)
        key = library.add("ink.pt")
        failed = library.organiser.trash([key])
        assert "has no bin" in failed.problems[0]
        assert library.ids() == {"ink.pt"}

    def test_where_the_system_keeps_its_bin_closed_the_user_is_sent_there(
        self, library, monkeypatch
    ):
        import loradex.catalog.organising.trash as trash

        key = library.add("ink.pt")
        library.organiser.trash([key])
        monkeypatch.setattr(trash.sys, "platform", "darwin")
        with pytest.raises(InputError, match="restore it there"):
            library.organiser.undo()
