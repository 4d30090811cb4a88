"""What is asked for is found, in one order, whatever characters the question holds."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loradex.catalog.index import schema, texts
from loradex.catalog.index.store import SetPresence, Store
from loradex.catalog.records import FaultNote, FileFacts, Query, Summary

from tests.catalog.storekit import ROOT, a_put, facts_of, fill, indexed

SORTS = ("name", "path", "added", "modified", "size", "rating", "family", "relevance")


@pytest.fixture(params=["FTS5", "no FTS5", "not indexed yet"])
def store(request, monkeypatch):
    if request.param == "no FTS5":
        monkeypatch.setattr(schema, "can_index_text", lambda: False)
    with Store.open(None) as store:
        store.wait_for_words = (lambda: indexed(store)) if request.param == "FTS5" else list
        yield store


def ids(store, text="", **query):
    page = store.page(Query(text=text, **query))
    assert page.total == store.count(Query(text=text, **query))
    return [entry.file.id for entry in page.entries]


def described(file_id, **summary):
    return a_put(file_id, summary=Summary(**summary))


class TestWords:
    def test_a_part_of_a_name_finds_it_in_any_case(self, store):
        fill(store, "art/myChar_v2-000010.safetensors", "other.pt")
        store.wait_for_words()
        for text in ("char", "MYCHAR", "v2", "v2-0000", "ar_v", "10", "y", "art", "char art"):
            assert ids(store, text) == ["art/myChar_v2-000010.safetensors"], text
        for text in ("mychar3", "vv", "char other", "safetensors"):
            assert ids(store, text) == [], text

    def test_every_word_must_occur_but_in_any_field(self, store):
        store.apply([
            described("a/ink.pt", title="Wet brush", trigger_words=("sumi-e",), tags=("Style",)),
            described("b/ink.pt", notes="for brush pens"),
        ])
        store.wait_for_words()
        assert ids(store, "brush ink") == ["a/ink.pt", "b/ink.pt"]
        assert ids(store, "style wet sumi-e") == ["a/ink.pt"]
        assert ids(store, "pens style") == []

    def test_what_the_user_says_is_found_at_once_and_no_longer_when_it_is_gone(self, store):
        (key,) = fill(store, "ink.pt")
        store.wait_for_words()
        store.set_user(key, tags=["Lineart"], notes="use at half strength")
        assert ids(store, "lineart strength") == ["ink.pt"]
        store.wait_for_words()
        assert ids(store, "lineart strength") == ["ink.pt"]
        store.set_user(key, tags=[], notes="")
        assert ids(store, "lineart") == ids(store, "half") == []
        store.wait_for_words()
        assert ids(store, "lineart") == ids(store, "half") == []

    def test_chinese_and_japanese_words_are_found_by_any_part(self, store):
        store.apply([described("水墨画风格.pt", tags=("ファンタジー",)), described("ink.pt")])
        store.wait_for_words()
        for text in ("水墨画", "墨画", "风", "タジー", "ファン 水"):
            assert ids(store, text) == ["水墨画风格.pt"], text

    def test_wide_and_composed_letters_are_the_same_letters(self, store):
        store.apply([described("ＡＢＣ.pt"), described("café.pt")])
        store.wait_for_words()
        assert ids(store, "abc") == ["ＡＢＣ.pt"]
        assert ids(store, "cafe\u0301") == ["café.pt"]

    @pytest.mark.parametrize("text", [
        '"', '""', "'", "*", "a*", "-", "a-b", "NEAR(a b)", "AND", "OR NOT", "a AND", "(", "^a",
        "words:a", "{words}", "%", "_", "a%b", "\\", "\0", "a\0bc", "\ud800", "x" * 5000, "é́́́",
        "; DROP TABLE entries", "\n", "\u200b", "😀😀😀",
    ])
    def test_no_text_is_an_error_and_each_is_taken_literally(self, store, text):
        fill(store, "plain.pt")
        store.wait_for_words()
        assert ids(store, text) in ([], ["plain.pt"])
        if text.isascii() and text.strip() and not text.isspace() and "\0" not in text:
            assert ids(store, text) == ([] if text.strip() else ["plain.pt"])

    def test_a_pasted_page_and_endless_lists_are_no_error(self, store):
        fill(store, "plain.pt")
        many = tuple(str(n) for n in range(40_000))
        assert ids(store, " ".join(many)) == []
        for field in ("families", "types", "statuses", "verdicts", "tags"):
            assert ids(store, **{field: many}) == []
            store.facets(Query(**{field: many}))

    def test_names_go_before_other_fields_by_relevance(self, store):
        store.apply([
            described("z/ink.pt"), described("b-inky.pt"), described("inkwell.pt"),
            described("a.pt", tags=("ink",)),
        ])
        store.wait_for_words()
        found = ["z/ink.pt", "inkwell.pt", "b-inky.pt", "a.pt"]
        assert ids(store, "ink", sort="relevance") == found
        assert ids(store, "ink", sort="relevance", descending=True) == found[::-1]
        assert ids(store, sort="relevance") == ["a.pt", "b-inky.pt", "z/ink.pt", "inkwell.pt"]


NAMES = st.text(st.sampled_from("abcABC12_- ßé水"), min_size=1, max_size=8)


@settings(max_examples=60)
@given(st.lists(NAMES, max_size=6, unique=True), st.lists(NAMES, min_size=1, max_size=2))
def test_words_are_found_where_they_occur_and_nowhere_else(names, words):
    text = " ".join(words)
    with Store.open(None) as store:
        fill(store, *(f"{name}.pt" for name in names))
        expected = {
            f"{name}.pt" for name in names
            if all(word in texts.fold(name) for word in texts.search_words(text))
        }
        assert set(ids(store, text)) == expected
        indexed(store)
        assert set(ids(store, text)) == expected


class TestOrder:
    def test_numbers_in_names_are_ordered_by_value(self, store):
        names = ["Lora1.pt", "lora2.pt", "lora2b.pt", "LORA10.pt", "lora100-1.pt", "lora100-20.pt"]
        fill(store, *reversed(names))
        assert ids(store) == names
        assert ids(store, descending=True) == names[::-1]

    def test_a_folder_stays_together_by_path(self, store):
        names = ["a/2.pt", "a/10.pt", "a b/1.pt", "a-b.pt"]
        fill(store, *reversed(names))
        assert set(ids(store, sort="path")[:2]) == {"a/2.pt", "a/10.pt"}

    def test_the_best_rated_come_first_and_by_name(self, store):
        keys = fill(store, "c.pt", "b.pt", "a.pt", "d.pt")
        store.set_user(keys[0], rating=9)
        store.set_user(keys[1], rating=9)
        store.set_user(keys[3], rating=0)
        assert ids(store, sort="rating", descending=True) == ["b.pt", "c.pt", "d.pt", "a.pt"]

    def test_an_unknown_order_is_by_name(self, store):
        fill(store, "b.pt", "a.pt")
        assert ids(store, sort="weight") == ["a.pt", "b.pt"]


def many(store, count=60):
    """Files that differ, and many that do not, in everything that is sorted by."""
    puts = []
    for n in range(count):
        facts = FileFacts(
            "ok" if n % 7 else "broken", f"f{n}", f"s{n % 5}", family=("sd1", "sdxl", "")[n % 3],
            types={("lora", "loha", "lokr")[n % 3]: 1},
            fault=None if n % 7 else FaultNote("x", "y"),
        )
        summary = Summary(tags=(f"Tag{n % 4}", "all"), preview="p.png" if n % 2 else "")
        folder = ("", "a/", "a/b/", "ab/")[n % 4]
        puts.append(a_put(f"{folder}n{n % 20}-{n}.pt", facts=facts, summary=summary,
                          size=n % 6, mtime_ns=n % 9))
    keys = [change.key for change in store.apply(puts)]
    for n, key in enumerate(keys):
        if n % 5 == 0:
            store.set_user(key, favourite=n % 10 == 0, rating=n % 4)
    return keys


FILTERS = (
    {}, {"text": "n1"}, {"text": "n"}, {"families": ("sdxl", "")}, {"types": ("lora",)},
    {"folder": "a"}, {"favourite": True}, {"has_fault": False, "has_preview": True},
    {"tags": ("tag1", "ALL")}, {"statuses": ("broken",)}, {"presence": ()},
)


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("filters", FILTERS, ids=str)
def test_pages_of_any_size_put_together_are_the_whole_list(store, sort, filters):
    many(store)
    whole = store.keys(Query(sort=sort, limit=None, **filters))
    assert len(whole) == len(set(whole)) == store.count(Query(**filters))
    down = store.keys(Query(sort=sort, limit=None, descending=True, **filters))
    assert down == whole[::-1]
    for size in (1, 7):
        pages = [store.keys(Query(sort=sort, offset=offset, limit=size, **filters))
                 for offset in range(0, len(whole) + size, size)]
        assert tuple(itertools.chain(*pages)) == whole
    found = [entry.key for entry in store.entries(Query(sort=sort, limit=None, **filters))]
    assert tuple(found) == whole


class TestFilters:
    def test_each_filter_finds_what_its_field_says(self, store):
        many(store)
        everything = list(store.entries(Query(limit=None)))
        checks = {
            (("families", ("sd1", "")),): lambda e: e.family in ("sd1", ""),
            (("types", ("loha", "lokr")),): lambda e: set(e.facts.types) & {"loha", "lokr"},
            (("statuses", ("broken",)),): lambda e: e.facts.status == "broken",
            (("folder", "a"),): lambda e: e.file.id.startswith("a/"),
            (("folder", "/a/b/"),): lambda e: e.file.id.startswith("a/b/"),
            (("tags", ("TAG2", "All")),): lambda e: "Tag2" in e.summary.tags,
            (("favourite", True),): lambda e: e.user.favourite,
            (("favourite", False),): lambda e: not e.user.favourite,
            (("has_fault", True),): lambda e: e.facts.fault,
            (("has_preview", False),): lambda e: not e.summary.preview,
            (("favourite", True), ("has_preview", False), ("text", "n0")): lambda e: (
                e.user.favourite and not e.summary.preview and "n0" in e.file.name
            ),
        }
        for query, check in checks.items():
            expected = [e.file.id for e in everything if check(e)]
            assert expected, query
            assert ids(store, limit=None, **dict(query)) == expected, query

    def test_offline_files_are_listed_and_can_be_left_out(self, store):
        fill(store, "a.pt")
        fill(store, "b.pt", root=ROOT / "usb")
        store.apply([SetPresence(ROOT / "usb", "offline")])
        assert ids(store) == ["a.pt", "b.pt"]
        assert ids(store, presence=("present",)) == ["a.pt"]
        assert ids(store, presence=("offline", "gone")) == ["b.pt"]

    def test_values_that_nothing_has_find_nothing(self, store):
        many(store)
        for query in (
            {"families": ("\ud800",)}, {"tags": ("'",)}, {"folder": "%"}, {"types": ("\0",)},
            {"verdicts": ("fits",)}, {"offset": 10**30}, {"offset": 99}, {"limit": 0},
            {"folder": "\ud800"}, {"checkpoint": "\ud800", "verdicts": ("fits",)},
        ):
            assert store.page(Query(**query)).entries == (), query
        assert len(store.page(Query(offset=-5, limit=10**30)).entries) == 60

    def test_facets_count_what_each_choice_would_list(self, store):
        keys = many(store)
        store.set_verdicts("ck", dict.fromkeys(list(store.profiles("ck"))[:3], "fits"))
        for filters in ({}, {"families": ("sd1",), "text": "n"}, {"tags": ("all",), "folder": "a"}):
            query = Query(checkpoint="ck", **filters)
            facets = store.facets(query)
            fields = {"family": "families", "status": "statuses", "type": "types",
                      "verdict": "verdicts"}
            for name, field in fields.items():
                for value, number in facets[name].items():
                    chosen = {**filters, field: (value,)}
                    assert store.count(Query(checkpoint="ck", **chosen)) == number, (name, value)
            for folder, number in facets["folder"].items():
                assert store.count(Query(**{**filters, "folder": folder})) == number
            for tag, number in facets["tag"].items():
                tags = (*filters.get("tags", ()), tag)
                assert store.count(Query(**{**filters, "tags": tags})) == number
        assert store.folders()["a"] == 30
        assert store.folders(Query(folder="ab"))[""] == len(keys)
        assert next(iter(store.facets(Query())["tag"])) == "all"


class TestVerdicts:
    def test_files_of_one_profile_share_a_verdict(self, store):
        store.apply([
            a_put(f"{n}.pt", facts=facts_of(str(n), structure=f"s{n % 2}")) for n in range(6)
        ])
        profiles = store.profiles("one")
        assert len(profiles) == 2
        answers = {p: f"for {e.facts.structure}" for p, e in profiles.items()}
        store.set_verdicts("one", answers)
        assert store.profiles("one") == {}
        assert len(store.profiles("two")) == 2
        for entry in store.page(Query(checkpoint="one")).entries:
            assert entry.verdict == f"for {entry.facts.structure}"
        assert {e.verdict for e in store.page(Query(checkpoint="two")).entries} == {""}
        assert ids(store, checkpoint="one", verdicts=("for s1",)) == ["1.pt", "3.pt", "5.pt"]

    def test_the_users_family_makes_another_profile(self, store):
        key, _ = fill(store, "a.pt", "b.pt")
        store.set_verdicts("ck", dict.fromkeys(store.profiles("ck"), "fits"))
        store.set_user(key, family="flux1")
        assert [e.key for e in store.profiles("ck").values()] == [key]
        assert ids(store, checkpoint="ck", verdicts=("",)) == ["a.pt"]
        assert ids(store, checkpoint="ck", verdicts=("", "fits")) == ["a.pt", "b.pt"]
        store.set_user(key, family="")
        assert store.profiles("ck") == {}

    def test_the_verdicts_on_the_last_20_checkpoints_are_kept(self, store):
        fill(store, "a.pt")
        for number in range(22):
            store.set_verdicts(f"ck{number}", dict.fromkeys(store.profiles("x"), "fits"))
        kept = [n for n in range(22) if not store.profiles(f"ck{n}")]
        assert kept == list(range(2, 22))
        store.forget_verdicts("ck21")
        assert len(store.profiles("ck21")) == 1
        store.set_verdicts("odd", {"no profile": "fits", "": "fits"})
