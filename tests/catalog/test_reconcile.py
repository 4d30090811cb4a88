"""Reconciling a real folder with the real index: what changed is found, what moved is followed."""

import itertools
import os
import shutil
import sys
import threading

import pytest
from loradex.catalog.disk import inspections

from tests.catalog.diskkit import Library, write

posix = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def library(root):
    made = Library(root)
    yield made
    made.close()


@pytest.fixture
def calm(monkeypatch):
    """As if every file had been written long ago."""
    monkeypatch.setattr(inspections, "_TICK_NS", -1)


class TestEverything:
    def test_the_first_look_adds_all_and_the_second_reads_nothing(self, library, root, calm):
        for name in ("a.pt", "art/b.pt"):
            write(root / name, name)
        assert library.reconcile() == [("added", "a.pt"), ("added", "art/b.pt")]
        assert library.is_true()
        assert library.reconcile() == []
        assert library.read == []

    def test_a_changed_file_is_read_and_the_others_are_not(self, library, root, calm):
        for name in ("a.pt", "b.pt"):
            write(root / name, name)
        library.reconcile()
        write(root / "a.pt", "longer than before")
        assert library.reconcile() == [("changed", "a.pt")]
        assert library.read == ["a.pt"]
        assert library.is_true()

    def test_a_sidecar_that_was_added_edited_or_removed_is_read_again(self, library, root, calm):
        write(root / "a.pt", "a")
        library.reconcile()
        for change in (lambda: write(root / "a.json", "one"), lambda: write(root / "a.json", "2"),
                       lambda: (root / "a.json").unlink()):
            change()
            assert library.reconcile() == [("described", "a.pt")]
            assert library.is_true()

    def test_a_retrained_file_keeps_its_star(self, library, root):
        write(root / "a.pt", "a")
        library.reconcile()
        library.star("a.pt", "star")
        write(root / "a.pt", "b")
        library.reconcile()
        assert library.stars() == {"a.pt": "star"}

    def test_a_moved_file_takes_its_star_and_its_key_along(self, library, root):
        write(root / "a.pt", "a")
        library.reconcile()
        library.star("a.pt", "star")
        key = library.find("a.pt").key
        (root / "new").mkdir()
        (root / "a.pt").rename(root / "new" / "b.pt")
        assert library.reconcile() == [("moved", "new/b.pt")]
        assert library.find("new/b.pt").key == key
        assert library.stars() == {"new/b.pt": "star"}

    def test_a_deleted_file_is_hidden_and_its_star_waits_for_the_content(self, library, root):
        write(root / "a.pt", "a")
        library.reconcile()
        library.star("a.pt", "star")
        (root / "a.pt").unlink()
        assert library.reconcile() == [("gone", "a.pt")]
        assert library.ids() == []
        write(root / "later" / "b.pt", "a")
        assert library.reconcile() == [("added", "later/b.pt")]
        assert library.stars() == {"later/b.pt": "star"}

    def test_a_copy_is_a_file_of_its_own(self, library, root):
        write(root / "a.pt", "a")
        library.reconcile()
        library.star("a.pt", "star")
        shutil.copy2(root / "a.pt", root / "b.pt")
        assert library.reconcile() == [("added", "b.pt")]
        assert library.stars() == {"a.pt": "star"}

    @pytest.mark.parametrize("order", list(itertools.permutations(range(3)))[1:])
    def test_files_that_change_places_keep_their_stars(self, library, root, order):
        names = ["a.pt", "b.pt", "c.pt"]
        for name in names:
            write(root / name, name)
        library.reconcile()
        for name in names:
            library.star(name, f"of {name}")
        for name in names:
            (root / name).rename(root / f"{name}.aside")
        for name, new in zip(names, order, strict=True):
            (root / f"{name}.aside").rename(root / names[new])
        library.reconcile()
        assert library.stars() == {
            names[new]: f"of {name}" for name, new in zip(names, order, strict=True)
        }
        assert library.is_true()

    def test_a_second_write_within_one_tick_of_the_clock_is_found(self, library, root):
        path = write(root / "a.pt", "a")
        stat = path.stat()
        library.reconcile()
        write(path, "b")
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        row = library.find("a.pt").file
        assert (row.size, row.mtime_ns) == (path.stat().st_size, path.stat().st_mtime_ns)
        library.reconcile()
        assert library.is_true()

    def test_files_that_arrive_in_thousands_are_stored_in_portions(self, library, root):
        for n in range(1200):
            write(root / f"f{n % 7}" / f"{n}.pt", f"content {n}")
        seen = []
        library.reconcile(
            on_progress=lambda done, total: seen.append((done, total, len(library.ids())))
        )
        assert [done for done, _, _ in seen] == [256, 512, 768, 1024, 1200]
        assert {total for _, total, _ in seen} == {1200}
        assert [stored for _, _, stored in seen] == [0, 256, 512, 768, 1024]
        assert library.is_true()

    def test_cancelled_it_keeps_what_it_has_and_the_next_one_finds_the_rest(self, library, root):
        for n in range(600):
            write(root / f"{n}.pt", f"content {n}")
        stop = threading.Event()
        library.reconcile(on_progress=lambda done, _: done > 256 and stop.set(),
                          cancelled=stop.is_set)
        assert 256 <= len(library.ids()) < 600
        library.reconcile()
        assert library.is_true()

    def test_a_file_that_goes_while_it_is_read_is_left_out(self, library, root):
        write(root / "a.pt", "a")
        write(root / "b.pt", "b")

        def inspect(file, names=None):
            file.path.unlink(missing_ok=True) if file.id == "b.pt" else None
            return Library.inspect(library, file, names)

        library.inspect, kept = inspect, library.inspect
        assert library.reconcile() == [("added", "a.pt")]
        library.inspect = kept
        assert library.is_true()

    def test_a_file_that_cannot_be_read_is_listed_and_tried_again(self, library, root, monkeypatch):
        write(root / "a.pt", "a")
        broken = pytest.MonkeyPatch()
        broken.setattr("pathlib.Path.read_bytes", refuse)
        library.reconcile()
        broken.undo()
        assert library.find("a.pt").facts.status == "broken"
        library.reconcile()
        assert library.is_true()

    def test_a_known_file_that_is_locked_for_a_moment_stays_what_it_was(self, library, root):
        write(root / "a.pt", "a")
        library.reconcile()
        library.star("a.pt", "star")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("pathlib.Path.read_bytes", refuse)
            assert library.reconcile(root / "a.pt") == []
        assert library.is_true()


def refuse(path):
    raise PermissionError(13, "locked", str(path))


class TestRoots:
    @pytest.fixture
    def two(self, tmp_path):
        roots = tmp_path / "one", tmp_path / "two"
        for path in roots:
            path.mkdir()
        made = Library(*roots)
        yield made
        made.close()

    def test_a_move_between_roots_is_followed(self, two):
        one, other = two.roots
        write(one / "a.pt", "a")
        two.reconcile()
        two.star("a.pt", "star")
        (one / "a.pt").rename(other / "a.pt")
        assert two.reconcile() == [("moved", "a.pt")]
        assert two.find("a.pt").file.root == other
        assert two.stars() == {"a.pt": "star"}

    def test_a_root_that_is_away_is_offline_and_comes_back_as_it_was(self, two, tmp_path):
        one, other = two.roots
        write(one / "a.pt", "a")
        write(other / "b.pt", "b")
        two.reconcile()
        two.star("b.pt", "star")
        other.rename(tmp_path / "unplugged")
        assert two.reconcile() == [("offline", "b.pt")]
        assert two.ids("present") == ["a.pt"]
        assert two.ids("offline") == ["b.pt"]
        assert two.stars() == {"b.pt": "star"}
        assert two.reconcile() == []
        (tmp_path / "unplugged").rename(other)
        assert two.reconcile()[0] == ("online", "b.pt")
        assert two.stars() == {"b.pt": "star"}
        assert two.is_true()

    def test_what_changed_while_a_root_was_away_is_found_when_it_is_back(self, two, tmp_path):
        _, other = two.roots
        for name in ("a.pt", "b.pt", "c.pt"):
            write(other / name, name)
        two.reconcile()
        other.rename(tmp_path / "unplugged")
        two.reconcile()
        (tmp_path / "unplugged" / "a.pt").unlink()
        (tmp_path / "unplugged" / "b.pt").rename(tmp_path / "unplugged" / "d.pt")
        (tmp_path / "unplugged").rename(other)
        two.reconcile()
        assert two.ids("present") == ["c.pt", "d.pt"]
        assert two.is_true()

    def test_a_copy_of_a_file_on_a_drive_that_is_away_is_a_file_of_its_own(self, two, tmp_path):
        one, other = two.roots
        write(other / "a.pt", "a")
        two.reconcile()
        two.star("a.pt", "star")
        other.rename(tmp_path / "unplugged")
        write(one / "copy.pt", "a")
        two.reconcile()
        assert two.stars() == {"a.pt": "star"}
        assert two.find("a.pt").presence == "offline"

    def test_an_empty_folder_that_held_many_files_is_a_drive_that_is_away(self, two, tmp_path):
        _, other = two.roots
        for n in range(20):
            write(other / "art" / f"{n}.pt", f"{n}")
        two.reconcile()
        (other / "art").rename(tmp_path / "elsewhere")
        two.reconcile()
        assert len(two.ids("offline")) == 20
        (tmp_path / "elsewhere").rename(other / "art")
        two.reconcile()
        assert two.is_true()

    def test_files_that_were_deleted_one_by_one_are_gone(self, two):
        _, other = two.roots
        paths = [write(other / f"{n}.pt", f"{n}") for n in range(20)]
        two.reconcile()
        for path in paths:
            path.unlink()
        two.reconcile(other, paths[3])
        assert two.ids() == []

    def test_a_few_files_are_believed_to_be_gone(self, two):
        _, other = two.roots
        write(other / "a.pt", "a")
        two.reconcile()
        (other / "a.pt").unlink()
        assert two.reconcile() == [("gone", "a.pt")]

    def test_a_library_that_moved_to_another_root_takes_its_stars_along(self, tmp_path):
        old, new = tmp_path / "old", tmp_path / "new"
        write(old / "art" / "a.pt", "a")
        library = Library(old)
        library.reconcile()
        library.star("art/a.pt", "star")
        old.rename(new)
        library.roots = (new,)
        library.reconcile()
        assert library.find("art/a.pt").file.root == new
        assert library.stars() == {"art/a.pt": "star"}
        library.close()

    def test_a_folder_that_cannot_be_looked_into_keeps_its_files(self, library, root, monkeypatch):
        write(root / "closed" / "a.pt", "a")
        library.reconcile()
        real = os.scandir

        def scandir(path):
            if str(path).endswith("closed"):
                raise PermissionError(13, "Permission denied")
            return real(path)

        monkeypatch.setattr(os, "scandir", scandir)
        assert library.reconcile() == []
        assert library.ids("present") == ["closed/a.pt"]


class TestSomePaths:
    """What a watcher tells: these paths, in whatever portions."""

    def test_only_what_is_named_is_looked_at(self, library, root):
        write(root / "a.pt", "a")
        write(root / "b.pt", "b")
        assert library.reconcile(root / "a.pt") == [("added", "a.pt")]
        assert library.read == ["a.pt"]

    def test_a_folder_means_all_below_it(self, library, root):
        for name in ("art/a.pt", "art/x/b.pt", "artful/c.pt"):
            write(root / name, name)
        library.reconcile(root / "art")
        assert library.ids() == ["art/a.pt", "art/x/b.pt"]
        shutil.rmtree(root / "art")
        library.reconcile(root / "art")
        assert library.ids() == []

    def test_a_sidecar_means_its_model_also_when_it_is_gone(self, library, root):
        write(root / "a.pt", "a")
        note = write(root / "a.civitai.info", "{}")
        library.reconcile()
        note.unlink()
        assert library.reconcile(note) == [("described", "a.pt")]
        assert library.is_true()

    def test_a_named_file_is_read_even_if_its_times_are_the_same(self, library, root, calm):
        path = write(root / "a.pt", "a")
        library.reconcile()
        library.reconcile(path)
        assert library.read == ["a.pt"]

    @pytest.mark.parametrize("first", ["source", "target", "both"])
    def test_a_move_is_followed_whichever_end_is_told_first(self, library, root, first):
        old, new = write(root / "a.pt", "a"), root / "x" / "b.pt"
        library.reconcile()
        library.star("a.pt", "star")
        new.parent.mkdir()
        old.rename(new)
        told = {"source": [[old], [new]], "target": [[new], [old]], "both": [[old, new]]}[first]
        assert library.reconcile(*told[0]) == [("moved", "x/b.pt")]
        for paths in told[1:]:
            library.reconcile(*paths)
        assert library.stars() == {"x/b.pt": "star"}
        assert library.is_true()

    @pytest.mark.parametrize("first", ["old", "new"])
    def test_a_backup_and_its_successor_are_told_apart_whichever_is_told_first(
        self, library, root, first
    ):
        old, backup = write(root / "a.pt", "a"), root / "a.old.pt"
        library.reconcile()
        library.star("a.pt", "star")
        old.rename(backup)
        write(old, "successor")
        for path in (old, backup) if first == "old" else (backup, old):
            library.reconcile(path)
        assert library.stars() == {"a.old.pt": "star"}
        assert library.is_true()

    def test_a_swap_of_which_only_one_half_is_told_is_understood_whole(self, library, root):
        for name in ("a.pt", "b.pt", "c.pt"):
            write(root / name, name)
        library.reconcile()
        for name in ("a.pt", "b.pt", "c.pt"):
            library.star(name, f"of {name}")
        for old, new in (("a.pt", "t"), ("b.pt", "a.pt"), ("c.pt", "b.pt"), ("t", "c.pt")):
            (root / old).rename(root / new)
        library.reconcile(root / "a.pt")
        assert library.stars() == {"a.pt": "of b.pt", "b.pt": "of c.pt", "c.pt": "of a.pt"}
        assert library.is_true()

    def test_one_path_of_a_root_that_is_back_brings_all_of_it_up_to_date(
        self, library, root, tmp_path
    ):
        for name in ("a.pt", "b.pt"):
            write(root / name, name)
        library.reconcile()
        root.rename(tmp_path / "unplugged")
        library.reconcile()
        (tmp_path / "unplugged" / "a.pt").unlink()
        write(tmp_path / "unplugged" / "c.pt", "c")
        (tmp_path / "unplugged").rename(root)
        library.reconcile(root / "c.pt")
        assert library.ids("present") == ["b.pt", "c.pt"]
        assert library.is_true()

    def test_paths_outside_of_the_roots_mean_nothing(self, library, root, tmp_path):
        write(root / "a.pt", "a")
        assert library.reconcile(tmp_path / "other.pt") == []

    @posix
    def test_a_real_path_behind_a_link_is_found_where_it_is_seen(self, library, root, tmp_path):
        real = write(tmp_path / "elsewhere" / "a.pt", "a")
        (root / "more").symlink_to(tmp_path / "elsewhere")
        assert library.reconcile(real) == [("added", "more/a.pt")]
        real.unlink()
        assert library.reconcile(real) == [("gone", "more/a.pt")]

    @posix
    def test_a_folder_that_is_swapped_under_a_link_is_seen_anew(self, library, root, tmp_path):
        write(tmp_path / "v1" / "a.pt", "a")
        write(tmp_path / "v1" / "same.pt", "same")
        write(tmp_path / "v2" / "b.pt", "b")
        write(tmp_path / "v2" / "same.pt", "same")
        (root / "now").symlink_to(tmp_path / "v1")
        library.reconcile()
        library.star("now/same.pt", "star")
        (root / "now").unlink()
        (root / "now").symlink_to(tmp_path / "v2")
        library.reconcile(root / "now")
        assert library.ids() == ["now/b.pt", "now/same.pt"]
        assert library.stars() == {"now/same.pt": "star"}
        assert library.is_true()

    @posix
    def test_a_link_whose_drive_is_away_keeps_its_files(self, library, root, tmp_path):
        write(tmp_path / "drive" / "a.pt", "a")
        (root / "nas").symlink_to(tmp_path / "drive")
        library.reconcile()
        (tmp_path / "drive").rename(tmp_path / "unplugged")
        assert library.reconcile() == []
        assert library.ids() == ["nas/a.pt"]
        (root / "nas").unlink()
        assert library.reconcile() == [("gone", "nas/a.pt")]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps any bytes in a name")
def test_a_name_that_is_no_text_is_followed_like_any_other(library, root):
    path = root / os.fsdecode(b"caf\xe9.pt")
    write(path, "a")
    library.reconcile(path)
    assert library.ids() == ["caf\\xe9.pt"]
    assert library.is_true()
    path.unlink()
    library.reconcile(path)
    assert library.ids() == []
