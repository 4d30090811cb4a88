"""What a library holds twice: told as fact only where hashes say so."""

import hashlib
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from loradex.catalog.network_file import NetworkFile
from loradex.catalog.organising.duplicates import duplicate_notes, find_duplicates
from loradex.catalog.records import Entry, FileFacts, Summary, UserData

ROOT = Path("/Lora")


def entry(key, id_="", sha="", tensors="", print_="", size=100, mtime=0, **more):
    id_ = id_ or f"{key}.safetensors"
    file = NetworkFile(id_, Path(id_).stem, ROOT / id_, ROOT, size, mtime)
    return Entry(key, file, "present", FileFacts("ok", print_), sha256=sha, tensor_sha256=tensors,
                 **more)  # fmt: skip


def kinds(*entries):
    groups = find_duplicates(entries)
    return [(group.kind, [each.key for each in group.entries]) for group in groups]


def test_the_same_bytes_are_one_group_and_what_they_cost_is_counted():
    (group,) = find_duplicates([entry(1, sha="a"), entry(2, sha="a"), entry(3, sha="a"), entry(4)])
    assert group.kind == "same_file"
    assert group.wasted_bytes == 200


def test_the_same_weights_under_another_header():
    one, other = entry(1, sha="a", tensors="t"), entry(2, sha="b", tensors="t", size=90)
    found = find_duplicates([one, other])
    assert [(each.kind, each.wasted_bytes) for each in found] == [("same_tensors", 90)]


def test_copies_of_one_file_count_once_where_weights_are_compared():
    assert kinds(
        entry(1, sha="a", tensors="t"), entry(2, sha="a", tensors="t"),
        entry(3, sha="b", tensors="t"),
    ) == [("same_file", [1, 2]), ("same_tensors", [1, 3])]  # fmt: skip


def test_before_hashes_exist_there_are_only_candidates():
    (group,) = find_duplicates([entry(1, print_="f"), entry(2, print_="f"), entry(3, print_="g")])
    assert (group.kind, group.wasted_bytes) == ("candidates", 0)
    assert not duplicate_notes([entry(1, print_="f"), entry(2, print_="f")])


def test_hashes_that_differ_end_the_suspicion():
    assert not kinds(entry(1, sha="a", print_="f"), entry(2, sha="b", print_="f"))


def test_epochs_of_one_run_form_a_family_and_the_last_is_kept():
    run = [entry(key, sha=str(key), summary=Summary(session="s", epoch=epoch))
           for key, epoch in ((1, "2"), (2, "10"), (3, ""))]  # fmt: skip
    (group,) = find_duplicates(run)
    assert group.kind == "same_run"
    assert [each.key for each in group.entries] == [2, 1, 3]
    assert group.wasted_bytes == 0
    assert not duplicate_notes(run)


def test_files_of_one_run_and_one_epoch_are_no_family():
    one = Summary(session="s", epoch="1")
    assert not kinds(entry(1, sha="a", summary=one), entry(2, sha="b", summary=one))


def test_empty_files_and_files_without_tensors_are_no_copies():
    nothing = hashlib.sha256(b"").hexdigest()
    assert not kinds(entry(1, sha=nothing, tensors=nothing, size=0),
                     entry(2, sha=nothing, tensors=nothing, size=0))  # fmt: skip
    assert not kinds(entry(1, sha="a", tensors=nothing), entry(2, sha="b", tensors=nothing))


def test_two_names_of_one_file_on_the_disk_waste_nothing():
    first, second = entry(1, sha="a"), entry(2, sha="a")
    linked = [replace(each, file=replace(each.file, inode=7, ctime_ns=5))
              for each in (first, second)]  # fmt: skip
    assert not find_duplicates(linked)


def test_what_is_gone_or_offline_is_left_out():
    gone = replace(entry(2, sha="a"), presence="gone")
    offline = replace(entry(3, sha="a"), presence="offline")
    assert not find_duplicates([entry(1, sha="a"), gone, offline])


class TestKeep:
    def kept(self, *entries):
        (group,) = find_duplicates(entries)
        return group.keep.key, group.reason

    def test_what_the_user_marked_goes_before_everything(self):
        marked = entry(2, "long/path.pt", "a", mtime=9, user=UserData(favourite=True))
        described = entry(1, sha="a", summary=Summary(sources={"notes": "1.json"}))
        assert self.kept(described, marked) == (2, "it has your stars, tags or notes")

    def test_then_what_has_sidecars_then_age_then_the_shorter_path(self):
        described = entry(2, sha="a", mtime=9, summary=Summary(sources={"notes": "2.json"}))
        told = entry(1, sha="a", summary=Summary(sources={"notes": "metadata"}, preview="metadata"))
        assert self.kept(told, described)[0] == 2
        assert self.kept(entry(1, sha="a", mtime=5), entry(2, sha="a", mtime=4)) == (
            2, "it is older",
        )  # fmt: skip
        assert self.kept(entry(1, "x/y.pt", "a"), entry(2, "y.pt", "a")) == (
            2, "its path is shorter",
        )  # fmt: skip
        assert self.kept(entry(1, "b.pt", "a"), entry(2, "a.pt", "a"))[0] == 2

    def test_the_others_get_a_note_that_says_which_and_why(self):
        notes = duplicate_notes([entry(1, "a/ink.pt", "a", mtime=1), entry(2, "b/ink.pt", "a")])
        assert list(notes) == [1]
        assert notes[1].code == "duplicate"
        assert notes[1].message == "This is the same file as b/ink.pt."
        assert notes[1].next_step == "Keep that one (it is older) and move this one to the bin."


HASHES = st.sampled_from(["", "a1", "a2", "b1"])  # one pass gives both: the tensors' is the letter


@given(st.lists(st.tuples(HASHES, HASHES, st.sampled_from([0, 1, 5])), max_size=8))
def test_no_group_ever_suggests_to_lose_the_last_copy(rows):
    entries = [
        entry(key, sha=sha, tensors=sha[:1], print_=print_, size=size)
        for key, (sha, print_, size) in enumerate(rows)
    ]
    notes = duplicate_notes(entries)
    for each in entries:
        if each.key in notes:
            kept = [other for other in entries if other.key not in notes]
            assert any(
                each.file.size and each.tensor_sha256 == other.tensor_sha256 != "" for other in kept
            )
    for group in find_duplicates(entries):
        assert group.keep is group.entries[0]
        assert len(group.entries) > 1
