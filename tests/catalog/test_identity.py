"""The identity rules on places and contents alone, against whatever hypothesis thinks of."""

import random
from collections import Counter
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st
from loradex.catalog.disk.identity import assign


class Row(NamedTuple):
    key: int
    root: str
    id: str
    fingerprint: str
    presence: str = "present"


def row(key, root, id_, content, presence="present"):
    return Row(key, root, id_, content, presence)


PLACES = st.tuples(
    st.sampled_from("RS"), st.sampled_from(["a", "b", "c", "x/a", "x/b", "y/a"])
)
CONTENTS = st.sampled_from(["", "A", "B", "C"])


@st.composite
def batches(draw):
    """Rows at places (at most one of them not gone at each), and what the places hold now."""
    held = draw(st.dictionaries(PLACES, CONTENTS, max_size=6))
    gone = draw(st.lists(st.tuples(PLACES, CONTENTS), max_size=4))
    rows = [row(n, *place, content) for n, (place, content) in enumerate(held.items(), 1)]
    rows += [
        row(n, *place, content, "gone") for n, (place, content) in enumerate(gone, len(rows) + 1)
    ]
    return rows, draw(st.dictionaries(PLACES, CONTENTS, max_size=6))


def place_of(each):
    return each.root, each.id


class TestWhateverTheBatch:
    @given(batches())
    def test_every_place_has_one_row_and_every_row_one_place_or_none(self, batch):
        rows, contents = batch
        done = assign(rows, contents)
        assert set(done.keys) == set(contents)
        used = [key for key in done.keys.values() if key is not None]
        assert len(used) == len(set(used))
        present = {each.key for each in rows if each.presence != "gone"}
        assert set(done.gone) == present - set(used)

    @given(batches())
    def test_a_content_that_stayed_keeps_its_row(self, batch):
        rows, contents = batch
        done = assign(rows, contents)
        for each in rows:
            stayed = each.fingerprint and contents.get(place_of(each)) == each.fingerprint
            if stayed and each.presence != "gone":
                assert done.keys[place_of(each)] == each.key

    @given(batches())
    def test_no_row_of_a_content_is_left_over_while_a_file_of_it_gets_another_row(self, batch):
        rows, contents = batch
        done = assign(rows, contents)
        by_key = {each.key: each for each in rows}
        used = set(done.keys.values())
        left = {each.fingerprint for each in rows if each.key not in used} - {""}
        for place, key in done.keys.items():
            if key is None or by_key[key].fingerprint != contents[place]:
                assert contents[place] not in left

    @given(batches())
    def test_a_row_gets_another_content_only_at_its_own_place(self, batch):
        rows, contents = batch
        done = assign(rows, contents)
        by_key = {each.key: each for each in rows}
        for place, key in done.keys.items():
            if key is not None and (not contents[place]
                                    or by_key[key].fingerprint != contents[place]):
                assert place_of(by_key[key]) == place
                assert by_key[key].presence != "gone"

    @given(batches())
    def test_a_place_gets_a_new_row_only_if_its_old_one_moved_on(self, batch):
        rows, contents = batch
        done = assign(rows, contents)
        used = set(done.keys.values())
        for place in [place for place, key in done.keys.items() if key is None]:
            assert all(each.key in used for each in rows
                       if place_of(each) == place and each.presence != "gone")

    @given(batches(), st.randoms(use_true_random=False))
    def test_the_order_of_rows_and_places_changes_nothing(self, batch, chance: random.Random):
        rows, contents = batch
        done = assign(rows, contents)
        places = list(contents.items())
        chance.shuffle(rows)
        chance.shuffle(places)
        assert assign(rows, dict(places)) == done

    @given(st.dictionaries(PLACES, st.sampled_from("ABCDEFG"), max_size=6), st.data())
    def test_any_permutation_of_files_takes_all_rows_along(self, held, data):
        contents = dict(zip(held, data.draw(st.permutations(list(held.values()))), strict=True))
        rows = [row(n, *place, content) for n, (place, content) in enumerate(held.items(), 1)]
        done = assign(rows, contents)
        assert done.gone == ()
        before = {each.key: each.fingerprint for each in rows}
        assert all(before[key] == contents[place] for place, key in done.keys.items())

    @given(batches())
    def test_a_second_look_at_the_same_files_changes_nothing(self, batch):
        rows, contents = batch
        done = assign(rows, contents)
        fresh = 100 + len(rows)
        after = []
        for n, (place, key) in enumerate(done.keys.items()):
            after.append(row(fresh + n if key is None else key, *place, contents[place]))
        again = assign(after, contents)
        assert again.gone == ()
        assert again.keys == {place_of(each): each.key for each in after}


class TestByExample:
    def test_files_that_swap_their_names_keep_their_rows(self):
        rows = [row(1, "R", "a", "A"), row(2, "R", "b", "B")]
        done = assign(rows, {("R", "a"): "B", ("R", "b"): "A"})
        assert done.keys == {("R", "a"): 2, ("R", "b"): 1}

    def test_a_chain_of_renames_ends_with_an_empty_place_and_no_row_lost(self):
        rows = [row(1, "R", "a", "A"), row(2, "R", "b", "B"), row(3, "R", "c", "C")]
        done = assign(rows, {("R", "b"): "A", ("R", "c"): "B", ("R", "d"): "C"})
        assert done.keys == {("R", "b"): 1, ("R", "c"): 2, ("R", "d"): 3}
        assert done.gone == ()

    def test_a_retrained_file_keeps_its_row(self):
        assert assign([row(1, "R", "a", "A")], {("R", "a"): "B"}).keys == {("R", "a"): 1}

    def test_a_backup_takes_the_row_along_and_the_new_content_is_new(self):
        done = assign([row(1, "R", "a", "A")], {("R", "a"): "B", ("R", "a.old"): "A"})
        assert done.keys == {("R", "a.old"): 1, ("R", "a"): None}

    def test_of_two_copies_the_one_of_the_same_name_is_the_moved_one(self):
        rows = [row(1, "R", "a", "A")]
        done = assign(rows, {("R", "x/0"): "A", ("R", "x/a"): "A"})
        assert done.keys == {("R", "x/a"): 1, ("R", "x/0"): None}

    def test_what_vanished_goes_before_what_was_replaced_and_that_before_what_was_gone(self):
        gone = row(1, "R", "g", "A", "gone")
        replaced = row(2, "R", "r", "A")
        vanished = row(3, "R", "v", "A")
        new = {("R", "new"): "A", ("R", "r"): "B"}
        assert assign([gone, replaced, vanished], new).keys["R", "new"] == 3
        assert assign([gone, replaced], new).keys["R", "new"] == 2
        assert assign([gone], new).keys["R", "new"] == 1

    def test_a_gone_row_of_the_same_name_goes_before_a_vanished_one_of_another(self):
        rows = [row(1, "R", "x/a", "A", "gone"), row(2, "R", "b", "A")]
        done = assign(rows, {("R", "a"): "A"})
        assert done.keys == {("R", "a"): 1}
        assert done.gone == (2,)

    def test_copies_in_a_renamed_folder_keep_their_own_rows(self):
        rows = [row(n, "R", f"old/{n}/ink", "A") for n in range(5)]
        done = assign(rows, {("R", f"new/{n}/ink"): "A" for n in range(5)})
        assert done.keys == {("R", f"new/{n}/ink"): n for n in range(5)}

    def test_a_content_of_which_nothing_is_known_is_never_the_same_as_another(self):
        rows = [row(1, "R", "a", ""), row(2, "R", "b", "", "gone")]
        done = assign(rows, {("R", "c"): ""})
        assert done.keys == {("R", "c"): None}
        assert done.gone == (1,)

    def test_twenty_thousand_copies_of_one_content_are_no_matter_of_minutes(self):
        rows = [row(n, "R", f"old/{n}", "A") for n in range(20_000)]
        done = assign(rows, {("R", f"new/{n}"): "A" for n in range(20_000)})
        assert Counter(int(place[1][4:]) == key for place, key in done.keys.items())[True] == 20_000
