"""Stars, tags and notes of one file or many, and NAME.json: set, and set back as they were."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from loradex.catalog.index.updates import SetPresence
from loradex.errors import InputError, SidecarError


def test_many_files_get_a_star_and_undo_takes_only_the_new_ones(library):
    keys = [library.add("ink.pt"), library.add("pen.pt")]
    library.organiser.edit(keys[:1], favourite=True)
    done = library.organiser.edit(keys, favourite=True)
    assert len(done.edits) == 1
    library.organiser.undo()
    assert [library.store.get(key).user.favourite for key in keys] == [True, False]


def test_tags_are_added_and_removed_without_touching_the_others(library):
    keys = [library.add("ink.pt"), library.add("pen.pt")]
    library.organiser.edit(keys[:1], tags=["line", "old"])
    library.organiser.edit(keys, add_tags=("art", "line", " art "), remove_tags=("old",))
    assert [library.store.get(key).user.tags for key in keys] == [("line", "art"), ("art", "line")]
    library.organiser.undo()
    assert [library.store.get(key).user.tags for key in keys] == [("line", "old"), ()]


def test_all_fields_at_once_and_back(library):
    key = library.add("ink.pt")
    before = library.store.get(key).user
    fields = {"favourite": True, "rating": 7, "tags": ("a",), "notes": "n\n", "family": "sdxl"}
    library.organiser.edit([key], **fields)
    assert vars(library.store.get(key).user) == fields
    library.organiser.undo()
    assert library.store.get(key).user == before
    library.organiser.redo()
    assert vars(library.store.get(key).user) == fields


def test_what_changes_nothing_is_not_written_down(library):
    key = library.add("ink.pt")
    assert library.organiser.edit([key], rating=None, tags=[]).done
    assert not library.organiser.history()


def test_a_dry_run_tells_the_edits(library):
    key = library.add("ink.pt")
    planned = library.organiser.edit([key], dry_run=True, rating=3)
    assert [(each.field, each.old, each.new) for each in planned.edits] == [("rating", None, 3)]
    assert library.store.get(key).user.rating is None


@pytest.mark.parametrize(
    "changes",
    [{"rating": 11}, {"rating": -1}, {"rating": True}, {"rating": 1.5}, {"favourite": 1},
     {"tags": "ink"}, {"tags": [1]}, {"tags": None}, {"notes": None},
     {"family": 3}, {"colour": "red"}, {"add_tags": "ink"}],
    ids=str,
)  # fmt: skip
def test_a_value_that_a_field_cannot_have_is_refused_and_nothing_is_set(library, changes):
    key = library.add("ink.pt")
    with pytest.raises(InputError):
        library.organiser.edit([key], **{"notes": "set"} | changes)
    assert library.store.get(key).user.empty


def test_undo_leaves_a_newer_value_alone(library):
    key = library.add("ink.pt")
    first = library.organiser.edit([key], notes="one")
    library.organiser.edit([key], notes="two")
    with pytest.raises(InputError, match=r"ink\.pt: notes was changed since"):
        library.organiser.undo(first.id)
    assert library.store.get(key).user.notes == "two"


def test_undo_follows_a_file_that_moved(library):
    key = library.add("ink.pt")
    edited = library.organiser.edit([key], notes="one")
    library.organiser.move([key], "a")
    library.organiser.undo(edited.id)
    assert library.store.get(key).user.notes == ""


def test_a_file_on_a_drive_that_is_away_can_be_starred(library):
    key = library.add("ink.pt")
    library.store.apply([SetPresence(library.root, "offline")])
    assert library.organiser.edit([key], favourite=True).done
    with pytest.raises(InputError, match="offline"):
        library.organiser.rename(key, "pen")


def test_undo_finds_the_file_when_its_key_was_given_to_another(library, make_library, tmp_path):
    """As after a broken database was built again, with the user's data out of the export."""
    library.add("pen.pt")
    edited = library.organiser.edit([library.add("ink.pt")], rating=5)
    (library.root / "a.pt").write_bytes(b"a")
    again = make_library(tmp_path)
    again.add("a.pt", "b.pt")
    again.scan()
    key = again.key("ink.pt")
    assert key != edited.edits[0].key
    again.store.set_user(key, rating=5)
    again.organiser.undo(edited.id)
    assert again.store.get(key).user.rating is None


def test_undo_stays_with_a_file_that_was_trained_anew(library):
    keys = [library.add("ink.pt"), library.add("pen.pt")]
    (library.root / "pen.pt").write_bytes((library.root / "ink.pt").read_bytes())
    library.scan()
    library.organiser.edit(keys, rating=5)
    edited = library.organiser.edit(keys[:1], rating=6)
    (library.root / "ink.pt").write_bytes(b"trained anew")
    library.scan()
    library.organiser.undo(edited.id)
    assert [library.store.get(key).user.rating for key in keys] == [5, 5]


def test_no_tag_is_lost_when_several_threads_add_theirs(library):
    key = library.add("ink.pt")
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: library.organiser.edit([key], add_tags=[f"t{n}"]), range(12)))
    assert sorted(library.store.get(key).user.tags) == sorted(f"t{n}" for n in range(12))
    assert len(library.organiser.history()) == 12


class TestNameJson:
    """AUTOMATIC1111's own form: four spaces, keys with spaces, unknown keys kept."""

    OLD = b'{\n    "notes": "mine",\n    "other tool": {"a": [1, 2.50]},\n    "sd": "SD1"\n}'

    def test_undo_restores_the_file_byte_for_byte(self, library):
        key = library.add("ink.safetensors")
        path = library.root / "ink.json"
        path.write_bytes(self.OLD)
        library.scan()
        done = library.organiser.describe(key, {"activation text": "ink wash"})
        assert done.done
        assert b"ink wash" in path.read_bytes()
        assert b"other tool" in path.read_bytes()
        assert library.true()
        library.organiser.undo()
        assert path.read_bytes() == self.OLD
        library.organiser.redo()
        assert b"ink wash" in path.read_bytes()

    def test_undo_removes_a_file_that_was_new(self, library):
        key = library.add("ink.safetensors")
        library.organiser.describe(key, {"notes": "new"})
        assert library.ids() == {"ink.safetensors", "ink.json"}
        library.organiser.undo()
        assert library.ids() == {"ink.safetensors"}
        assert library.true()

    def test_undo_leaves_what_another_program_wrote_since(self, library):
        key = library.add("ink.safetensors")
        library.organiser.describe(key, {"notes": "new"})
        (library.root / "ink.json").write_text("{}")
        with pytest.raises(InputError, match=r"ink\.json: it was changed since"):
            library.organiser.undo()
        assert (library.root / "ink.json").read_text() == "{}"

    def test_what_changes_nothing_is_not_written_down(self, library):
        key = library.add("ink.safetensors")
        library.organiser.describe(key, {"notes": "new"})
        assert library.organiser.describe(key, {"notes": "new"}).done
        assert len(library.organiser.history()) == 1

    def test_a_crash_after_the_write_counts_as_done(self, library, monkeypatch):
        import loradex.catalog.organising.organise as organise

        class Crash(BaseException):
            pass

        write = organise.write_user_json

        def dies(model, changes):
            write(model, changes)
            raise Crash

        key = library.add("ink.safetensors")
        with monkeypatch.context() as patch:
            patch.setattr(organise, "write_user_json", dies)
            with pytest.raises(Crash):
                library.organiser.describe(key, {"notes": "new"})
        (settled,) = library.open().recover()
        assert settled.done
        assert library.true()
        library.open().undo()
        assert library.ids() == {"ink.safetensors"}

    def test_a_link_stays_a_link_and_what_it_leads_to_is_set_back(self, library):
        shared = library.base / "shared.json"
        shared.write_bytes(self.OLD)
        (library.root / "ink.json").symlink_to(shared)
        key = library.add("ink.safetensors")
        library.organiser.describe(key, {"notes": "new"})
        assert b"new" in shared.read_bytes()
        library.organiser.undo()
        assert (library.root / "ink.json").is_symlink()
        assert shared.read_bytes() == self.OLD

    def test_a_file_of_another_tool_is_left_alone_and_said_so(self, library):
        key = library.add("ink.safetensors")
        foreign = b'{"id": 1, "modelVersions": []}'
        (library.root / "ink.json").write_bytes(foreign)
        with pytest.raises(SidecarError, match="another tool"):
            library.organiser.describe(key, {"notes": "new"})
        assert not library.journal.unfinished()
        assert (library.root / "ink.json").read_bytes() == foreign
