"""What a name or a folder may be: the same on every system, and never a way out of the roots."""

import os
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from loradex.catalog.organising.places import Places
from loradex.catalog.organising.portable import check_name, fold
from loradex.errors import InputError

REFUSED = {
    "": "empty", " ": "empty", ".": "another folder", "..": "another folder",
    "a/b": "folder separator", "a\\b": "folder separator", "a\0b": "NUL", ".ink": "leading dot",
    "ink.": "at the end", "ink ": "at the end", "a:b": "Windows allows no ':'", "a?": "no '?'",
    "a\nb": "Windows allows no", "CON": "for a device", "nul.safetensors": "for a device",
    "Com1.x.y": "for a device", "lpt¹": "for a device", "con .pt": "for a device",
    "x" * 256: "256 bytes", "ä" * 128: "256 bytes", "\udcff": "no text",
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED, ids=lambda name: repr(name[:9]))
def test_a_name_that_some_system_cannot_have_is_refused_with_the_reason(name):
    with pytest.raises(InputError, match=REFUSED[name]) as caught:
        check_name(name)
    assert caught.value.next_step
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    "name", ["ink", "ink v1.5", "CONtrast", "com10", "墨水", "é" * 127, "a.b.c", "[x] {y} & (z)"]
)
def test_other_names_are_left_as_they_are(name):
    assert check_name(name) == name


@pytest.mark.parametrize("name", [name for name in REFUSED if name not in ("x" * 256,)])
def test_rename_refuses_them_and_nothing_happens(library, name):
    key = library.add("ink.safetensors", "ink.json")
    with pytest.raises(InputError):
        library.organiser.rename(key, name)
    assert library.ids() == {"ink.safetensors", "ink.json"}


def test_rename_refuses_the_suffix_of_another_kind_of_file(library):
    key = library.add("ink.safetensors")
    with pytest.raises(InputError, match=r"ends in \.safetensors"):
        library.organiser.rename(key, "ink.pt")


def test_rename_counts_the_bytes_of_the_longest_companion(library):
    key = library.add("ink.safetensors", "ink.safetensors.rgthree-info.json")
    with pytest.raises(InputError, match="longer than 255 bytes"):
        library.organiser.rename(key, "x" * 230)
    assert library.organiser.rename(key, "x" * 200).done


@pytest.mark.parametrize("name", ["pen.safetensors", "pen.SAFETENSORS", "pen"])
def test_the_suffix_may_be_given_or_left_out(library, name):
    key = library.add("ink.safetensors")
    library.organiser.rename(key, name)
    assert library.id_of(key).lower() == "pen.safetensors"


@pytest.mark.parametrize(
    "folder",
    ["../out", "a/../../out", "..", "/tmp", "\\tmp", "C:\\x", "C:x", "\\\\host\\share", "a\\..\\b",
     "a/\0", ".hidden", "a/.hidden/b", "CON", "a/nul/b", "a./b", "a /b", "a:b", "x" * 300],
)  # fmt: skip
def test_a_folder_that_leaves_the_root_or_cannot_be_everywhere_is_refused(library, folder):
    key = library.add("ink.safetensors")
    with pytest.raises(InputError):
        library.organiser.move([key], folder)
    assert library.ids() == {"ink.safetensors"}
    assert [path.name for path in library.root.iterdir()] == ["ink.safetensors"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such folder")
def test_a_folder_that_exists_keeps_its_odd_name(library):
    key = library.add("ink.safetensors")
    (library.root / "what? loras").mkdir()
    assert library.organiser.move([key], "what? loras").done


@pytest.mark.parametrize("folder", ["a//b/", "./a/b", "a/./b"])
def test_spellings_of_one_folder(library, folder):
    key = library.add("ink.safetensors")
    library.organiser.move([key], folder)
    assert library.ids() == {"a/b/ink.safetensors"}


class TestLinks:
    def test_a_folder_that_leads_out_is_refused(self, library):
        key = library.add("ink.safetensors")
        outside = library.base / "outside"
        outside.mkdir()
        (library.root / "linked").symlink_to(outside)
        for folder in ("linked", "linked/new"):
            with pytest.raises(InputError, match="leads out of the library") as caught:
                library.organiser.move([key], folder)
            assert f"Add {outside}" in caught.value.next_step
        assert not list(outside.iterdir())

    def test_files_behind_such_a_link_are_left_where_they_are(self, library):
        outside = library.base / "outside"
        outside.mkdir()
        (outside / "ink.pt").write_bytes(b"ink")
        (library.root / "linked").symlink_to(outside)
        library.scan()
        key = library.key("linked/ink.pt")
        for act in (
            lambda: library.organiser.move([key], ""),
            lambda: library.organiser.rename(key, "pen"),
            lambda: library.organiser.trash([key]),
        ):
            with pytest.raises(InputError, match="leads out"):
                act()
        assert (outside / "ink.pt").exists()

    def test_a_link_that_stays_inside_is_followed_to_the_real_folder(self, library):
        key = library.add("ink.safetensors", "real/x.json")
        (library.root / "linked").symlink_to("real")
        library.organiser.move([key], "linked/new")
        assert library.id_of(key) == "real/new/ink.safetensors"
        assert library.true()

    def test_a_link_that_leads_nowhere_and_a_file_are_no_folders(self, library):
        key = library.add("ink.safetensors", "note.json")
        (library.root / "gone").symlink_to("nowhere")
        for folder in ("gone", "note.json", "note.json/x"):
            with pytest.raises(InputError, match="no folder"):
                library.organiser.move([key], folder)

    def test_a_root_may_be_a_link_itself(self, make_library, tmp_path):
        (tmp_path / "drive").mkdir()
        (tmp_path / "Lora").symlink_to("drive")
        library = make_library(tmp_path)
        key = library.add("ink.safetensors")
        assert library.organiser.move([key], "a").done
        assert library.id_of(key) == "a/ink.safetensors"

    def test_the_first_of_two_nested_roots_owns_a_folder_as_in_a_scan(self, make_library, tmp_path):
        library = make_library(tmp_path, "Lora", "Lora/sub")
        key = library.add("ink.safetensors")
        library.organiser.move([key], "", root=library.roots[1])
        assert library.id_of(key) == "sub/ink.safetensors"
        assert library.true()

    def test_a_foreign_root_is_refused(self, library):
        key = library.add("ink.safetensors")
        with pytest.raises(InputError, match="none of the library's folders"):
            library.organiser.move([key], "", root=library.base)


@given(st.text(max_size=300))
@example("aux.")
def test_an_accepted_name_is_one_visible_file_in_its_folder_everywhere(name):
    try:
        check_name(name)
    except InputError:
        return
    assert not re.search(r'[<>:"/\\|?*\x00-\x1f]', name)
    assert name[0] != "."
    assert name[-1] not in ". "
    assert 0 < len(name.encode()) <= 255
    assert fold(name) == fold(unicodedata.normalize("NFD", name))


@given(st.lists(st.sampled_from(["a", "..", ".", "", "\\", "C:", "b"]), max_size=6).map("/".join))
def test_an_accepted_folder_lies_inside(tmp_path_factory, folder):
    root = tmp_path_factory.getbasetemp() / "inside"
    root.mkdir(exist_ok=True)
    try:
        place = Places([root]).folder(folder, root)
    except InputError:
        return
    assert place.path == root or root in place.path.parents
    assert ".." not in place.path.parts
