"""Files move and are renamed with all that belongs to them, or not at all."""

import os
import shutil
import stat
from pathlib import Path

import pytest
from loradex.catalog.organising.journal import Journal
from loradex.catalog.organising.operations import Step
from loradex.catalog.organising.single_files import is_same_entry
from loradex.errors import InputError

FAMILY = (
    "ink.safetensors", "ink.json", "ink.civitai.info", "ink.preview.png", "ink_0.jpg", "INK.TXT",
    "ink.safetensors.rgthree-info.json", "ink.yaml", "ink.sha256",
)  # fmt: skip


def test_a_model_moves_with_its_whole_family_and_nothing_else(library):
    key = library.add(*FAMILY, "ink.wash.safetensors", "ink.wash.json", "inkling.json", "ink.psd")
    done = library.organiser.move([key], "art/dark")
    assert done.done
    assert library.ids() == {f"art/dark/{name}" for name in FAMILY} | {
        "ink.wash.safetensors", "ink.wash.json", "inkling.json", "ink.psd",
    }
    assert library.id_of(key) == "art/dark/ink.safetensors"
    assert library.true()


def test_a_rename_renames_every_companion_and_keeps_their_suffixes(library):
    key = library.add(*FAMILY)
    assert library.organiser.rename(key, "brush v1.5").done
    assert library.ids() == {
        "brush v1.5.safetensors", "brush v1.5.json", "brush v1.5.civitai.info",
        "brush v1.5.preview.png", "brush v1.5_0.jpg", "brush v1.5.TXT", "brush v1.5.yaml",
        "brush v1.5.safetensors.rgthree-info.json", "brush v1.5.sha256",
    }  # fmt: skip
    assert library.id_of(key) == "brush v1.5.safetensors"
    assert library.true()


def test_a_dry_run_touches_nothing_and_tells_the_steps_of_the_real_run(library):
    key = library.add(*FAMILY)
    before = library.tree()
    planned = library.organiser.move([key], "art", dry_run=True)
    assert library.tree() == before
    assert not (library.root / "art").exists()
    assert not library.organiser.history()
    assert not planned.done
    done = library.organiser.move([key], "art")
    assert done.steps == planned.steps
    assert done.steps[-1] == Step(library.root / FAMILY[0], library.root / "art" / FAMILY[0])


def test_many_move_at_once_and_between_roots(libraries):
    keys = [libraries.add("a/ink.safetensors", "a/ink.json"), libraries.add("pen.pt", "pen.png")]
    assert libraries.organiser.move(keys, "b", root=libraries.roots[1]).done
    assert set(libraries.tree()) == {
        "More/b/ink.safetensors", "More/b/ink.json", "More/b/pen.pt", "More/b/pen.png",
    }  # fmt: skip
    assert [libraries.store.get(key).file.root for key in keys] == [libraries.roots[1]] * 2
    assert libraries.true()


def test_a_file_that_is_there_already_is_no_work(library):
    key = library.add("art/ink.safetensors")
    done = library.organiser.move([key], "art/")
    assert done.done
    assert not done.steps
    assert not library.organiser.history()


def test_times_survive_a_move(library):
    key = library.add("ink.safetensors")
    os.utime(library.root / "ink.safetensors", ns=(10**18, 1_500_000_000_000_000_100))
    library.organiser.move([key], "art")
    assert (library.root / "art/ink.safetensors").stat().st_mtime_ns == 1_500_000_000_000_000_100


class TestSharedSidecars:
    def test_what_two_models_share_is_copied_when_one_leaves(self, library):
        key = library.add("ink.safetensors", "ink.pt", "ink.json", "ink.safetensors.json")
        done = library.organiser.move([key], "art")
        assert library.tree()["Lora/ink.json"] == library.tree()["Lora/art/ink.json"]
        assert library.ids() == {
            "ink.pt", "ink.json", "art/ink.safetensors", "art/ink.json", "art/ink.safetensors.json",
        }  # fmt: skip
        assert {step.action for step in done.steps} == {"move", "copy"}
        assert library.true()

    def test_what_two_models_share_moves_when_both_leave(self, library):
        keys = [library.add("ink.safetensors", "ink.pt", "ink.json"), library.key("ink.pt")]
        assert library.organiser.move(keys, "art").done
        assert library.ids() == {"art/ink.safetensors", "art/ink.pt", "art/ink.json"}

    def test_a_renamed_model_takes_a_copy_and_the_other_keeps_its_own(self, library):
        key = library.add("ink.safetensors", "ink.pt", "ink.json")
        library.organiser.rename(key, "pen")
        assert library.ids() == {"pen.safetensors", "pen.json", "ink.pt", "ink.json"}

    def test_undo_takes_the_copy_away_again(self, library):
        key = library.add("ink.safetensors", "ink.pt", "ink.json")
        before = library.tree()
        library.organiser.move([key], "art")
        assert library.organiser.undo().done
        assert library.tree() == before

    def test_undo_refuses_when_the_copies_differ_by_now(self, library):
        key = library.add("ink.safetensors", "ink.pt", "ink.json")
        library.organiser.move([key], "art")
        (library.root / "art/ink.json").write_text("edited")
        with pytest.raises(InputError, match="were one and differ now"):
            library.organiser.undo()
        assert (library.root / "art/ink.json").read_text() == "edited"


class TestConflicts:
    def test_an_existing_file_is_never_overwritten(self, library):
        key = library.add("ink.safetensors", "ink.json")
        library.write("art/ink.json")
        before = library.tree()
        with pytest.raises(InputError, match=r"ink\.json: a file of that name is there already"):
            library.organiser.move([key], "art")
        assert library.tree() == before
        assert not library.organiser.history()

    def test_a_dry_run_tells_all_conflicts(self, library):
        keys = [library.add("ink.pt"), library.add("pen.pt")]
        library.write("art/ink.pt", "art/pen.pt")
        found = library.organiser.move(keys, "art", dry_run=True)
        assert len(found.problems) == 2

    def test_another_case_of_the_name_is_a_conflict_on_every_system(self, library):
        key = library.add("ink.safetensors")
        library.write("art/INK.safetensors")
        with pytest.raises(InputError, match=r"INK\.safetensors: a file of that name"):
            library.organiser.move([key], "art")

    def test_two_files_of_one_name_cannot_go_into_one_folder(self, library):
        keys = [library.add("a/ink.pt"), library.add("b/Ink.pt")]
        with pytest.raises(InputError, match="would both be that file"):
            library.organiser.move(keys, "c")
        assert library.ids() == {"a/ink.pt", "b/Ink.pt"}

    def test_a_file_that_vanished_stops_all_before_anything_moves(self, library):
        keys = [library.add("ink.pt"), library.add("pen.pt")]
        (library.root / "pen.pt").unlink()
        with pytest.raises(InputError, match="no longer there"):
            library.organiser.move(keys, "art")
        assert library.ids() == {"ink.pt"}

    def test_a_note_that_lies_there_already_is_told_and_not_touched(self, library):
        key = library.add("ink.safetensors")
        library.write("art/ink.txt")
        done = library.organiser.move([key], "art")
        assert done.done
        assert "ink.txt lies there already" in done.notes[0]
        library.organiser.undo()
        assert library.ids() == {"ink.safetensors", "art/ink.txt"}

    def test_a_peft_file_keeps_the_name_by_which_its_alpha_is_found(self, library):
        key = library.add("a/adapter_model.safetensors", "a/adapter_config.json")
        with pytest.raises(InputError, match="Rename its folder"):
            library.organiser.rename(key, "ink")
        library.organiser.move([key], "b")
        assert library.ids() == {"b/adapter_model.safetensors", "b/adapter_config.json"}

    def test_an_unknown_key_and_an_offline_file_are_refused(self, library):
        key = library.add("ink.pt")
        with pytest.raises(InputError, match="not in the library"):
            library.organiser.move([999], "art")
        shutil.rmtree(library.root)
        with pytest.raises(InputError, match="offline"):
            library.organiser.move([key], "art")
        assert not library.root.exists()


class TestCaseOnly:
    def test_a_rename_that_changes_only_the_case(self, library):
        key = library.add("Ink.safetensors", "Ink.json")
        assert library.organiser.rename(key, "ink").done
        assert library.ids() == {"ink.safetensors", "ink.json"}
        library.organiser.undo()
        assert library.ids() == {"Ink.safetensors", "Ink.json"}

    def test_a_sidecar_that_has_the_new_case_already_stays_through_undo_and_redo(self, library):
        key = library.add("Ink.safetensors", "ink.json")
        library.organiser.rename(key, "ink")
        library.organiser.undo()
        library.organiser.redo()
        assert library.ids() == {"ink.safetensors", "ink.json"}
        library.organiser.undo()
        assert library.ids() == {"Ink.safetensors", "ink.json"}

    def test_hard_links_of_two_cases_are_two_files(self, library):
        key = library.add("Ink.safetensors")
        one, other = library.root / "Ink.safetensors", library.root / "ink.safetensors"
        other.hardlink_to(one)
        assert not is_same_entry(one, other)
        with pytest.raises(InputError, match="there already"):
            library.organiser.rename(key, "ink")

    def test_but_not_onto_another_file_that_has_this_case(self, library):
        key = library.add("Ink.safetensors")
        library.write("ink.safetensors")
        with pytest.raises(InputError, match="there already"):
            library.organiser.rename(key, "ink")
        assert library.ids() == {"Ink.safetensors", "ink.safetensors"}


class TestFailures:
    def test_a_step_that_fails_puts_everything_back_and_names_the_file(self, library, monkeypatch):
        keys = [library.add("ink.pt", "ink.json"), library.add("pen.pt", "pen.json")]
        before = library.tree()
        rename = Path.rename

        def locked(self, target):
            if self.name == "pen.pt":
                raise PermissionError(13, "locked")
            return rename(self, target)

        monkeypatch.setattr(Path, "rename", locked)
        failed = library.organiser.move(keys, "art")
        assert not failed.done
        assert failed.problems == (
            "pen.pt: the system does not permit it. Check who owns the file and the folder.",
        )
        assert library.tree() == before
        assert library.true()
        assert library.organiser.history()[0].problems == failed.problems

    @pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs folder modes")
    def test_a_folder_that_may_not_be_written_to(self, library):
        key = library.add("ink.pt")
        (library.root / "art").mkdir(mode=stat.S_IRUSR | stat.S_IXUSR)
        failed = library.organiser.move([key], "art")
        assert "does not permit" in failed.problems[0]
        assert library.ids() == {"ink.pt"}

    def test_a_file_that_comes_in_between_is_not_overwritten_nor_taken_for_ours(
        self, library, monkeypatch
    ):
        key = library.add("ink.pt", "ink.json")
        begin = Journal.begin

        def late(journal, operation):
            begin(journal, operation)
            library.write("art/ink.pt")

        with monkeypatch.context() as patch:
            patch.setattr(Journal, "begin", late)
            failed = library.organiser.move([key], "art")
        assert "another file of that name is there" in failed.problems[0]
        assert library.tree()["Lora/art/ink.pt"] == b"art/ink.pt" * 3
        assert library.id_of(key) == "ink.pt"
        assert library.ids() == {"ink.pt", "ink.json", "art/ink.pt"}

    def test_ctrl_c_in_the_middle_puts_everything_back(self, library, monkeypatch):
        key = library.add("ink.pt", "ink.json", "ink.png")
        before = library.tree()
        rename = Path.rename

        def stopped(self, target):
            if self.name == "ink.pt":
                raise KeyboardInterrupt
            return rename(self, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", stopped)
            with pytest.raises(KeyboardInterrupt):
                library.organiser.move([key], "art")
        assert library.tree() == before
        library.organiser.recover()
        assert library.true()

    def test_a_file_that_another_program_holds_on_windows_is_said_so(self):
        from loradex.catalog.organising.operations import reason

        error = PermissionError(13, "used by another process")
        error.winerror = 32
        assert reason(error, "a/ink.pt") == (
            "ink.pt: another program has it open. Close that program and try again."
        )


@pytest.fixture
def other_disk(libraries):
    """The second root on another file system, behind a link."""
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == libraries.root.stat().st_dev:
        pytest.skip("needs a second file system")
    real = shared / f"loradex-test-{os.getpid()}"
    real.mkdir()
    libraries.roots[1].rmdir()
    libraries.roots[1].symlink_to(real)
    yield libraries
    shutil.rmtree(real)


class TestAcrossFileSystems:
    def test_everything_is_copied_before_the_first_source_goes(self, other_disk):
        keys = [other_disk.add("ink.pt", "ink.json"), other_disk.add("pen.pt")]
        os.utime(other_disk.root / "ink.pt", ns=(10**18, 10**18))
        before = other_disk.tree()
        assert other_disk.organiser.move(keys, "", root=other_disk.roots[1]).done
        assert set(other_disk.tree()) == {"More/ink.pt", "More/ink.json", "More/pen.pt"}
        assert (other_disk.roots[1] / "ink.pt").stat().st_mtime_ns == 10**18
        assert other_disk.true()
        assert other_disk.organiser.undo().done
        assert other_disk.tree() == before

    def test_a_full_disk_leaves_everything_where_it_was(self, other_disk, monkeypatch):
        import loradex.catalog.organising.single_files as disk

        keys = [other_disk.add("ink.pt"), other_disk.add("pen.pt")]
        before = other_disk.tree()
        copy = disk.shutil.copyfileobj

        def full(reader, writer, size):
            if reader.name.endswith("pen.pt"):
                writer.write(b"half")
                raise OSError(28, "No space left on device")
            copy(reader, writer, size)

        monkeypatch.setattr(disk.shutil, "copyfileobj", full)
        failed = other_disk.organiser.move(keys, "", root=other_disk.roots[1])
        assert failed.problems == ("pen.pt: the drive is full. Free some space and try again.",)
        assert other_disk.tree() == before
        assert other_disk.true()

    def test_a_source_that_cannot_go_takes_all_copies_back(self, other_disk, monkeypatch):
        keys = [other_disk.add("ink.pt"), other_disk.add("pen.pt")]
        before = other_disk.tree()
        rename = Path.rename

        def locked(self, target):
            if self.name == "pen.pt" and target.name.endswith(".old"):
                raise PermissionError(13, "locked")
            return rename(self, target)

        monkeypatch.setattr(Path, "rename", locked)
        assert not other_disk.organiser.move(keys, "", root=other_disk.roots[1]).done
        assert other_disk.tree() == before


class TestLinks:
    def test_a_relative_link_still_leads_to_its_file(self, library):
        target = library.base / "shelf.pt"
        target.write_bytes(b"weights")
        (library.root / "ink.pt").symlink_to("../shelf.pt")
        library.scan()
        key = library.key("ink.pt")
        assert library.organiser.move([key], "a/b").done
        moved = library.root / "a/b/ink.pt"
        assert moved.is_symlink()
        assert moved.read_bytes() == b"weights"
        assert target.exists()
        assert library.organiser.undo().done
        assert (library.root / "ink.pt").readlink() == Path("../shelf.pt")
        assert not os.path.lexists(moved)

    def test_an_absolute_link_moves_as_it_is(self, library):
        target = library.base / "shelf.pt"
        target.write_bytes(b"weights")
        (library.root / "ink.pt").symlink_to(target)
        library.scan()
        library.organiser.move([library.key("ink.pt")], "a")
        assert (library.root / "a/ink.pt").readlink() == target
        assert target.exists()


def test_folders_are_never_deleted_also_when_empty(library):
    key = library.add("a/b/ink.pt")
    library.organiser.move([key], "c")
    library.organiser.undo()
    library.organiser.trash([key])
    assert (library.root / "a/b").is_dir()
    assert (library.root / "c").is_dir()
