"""What several tools say of one model is merged field by field, with who said it."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loradex.files import described
from loradex.files.described import Described, Sourced, describe_model_file

from tests.counting import calls_in

SPEC = {"modelspec.title": "File name", "modelspec.description": "in the file",
        "modelspec.trigger_phrase": "spec", "modelspec.author": "trainer",
        "modelspec.architecture": "stable-diffusion-xl-v1-base/lora"}  # fmt: skip
PAGE = {"id": 2, "modelId": 1, "model": {"name": "Page", "description": "on the page",
        "creator": {"username": "uploader"}}, "trainedWords": ["page"],
        "baseModel": "Illustrious"}  # fmt: skip
MANAGER = {"model_name": "Manager", "notes": "kept there", "base_model": "NoobAI",
           "civitai": {"trainedWords": ["older page"]}}  # fmt: skip
HAND = {"description": "by hand", "activation text": "hand", "notes": ""}


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "ink.safetensors"
    path.write_bytes(b"")
    return path


def put(model, **files):
    for suffix, content in files.items():
        name = model.stem + suffix.replace("_", ".")
        raw = content if isinstance(content, (str, bytes)) else json.dumps(content)
        model.with_name(name).write_bytes(raw if isinstance(raw, bytes) else raw.encode())


def said(found, name):
    return found.values[name].value, found.values[name].source


class TestTrust:
    def test_the_hand_goes_before_the_manager_before_the_page_before_the_file(self, model):
        put(model, _json=HAND, _civitai_info=PAGE, _metadata_json=MANAGER)
        found = describe_model_file(model, SPEC)
        assert said(found, "description") == ("by hand", "ink.json")
        assert said(found, "trigger_words") == (("hand",), "ink.json")
        assert said(found, "title") == ("Manager", "ink.metadata.json")
        assert said(found, "base_model") == ("NoobAI", "ink.metadata.json")
        assert found.others["trigger_words"] == (
            Sourced(("older page",), "ink.metadata.json", "site"),
            Sourced(("page",), "ink.civitai.info", "site"),
            Sourced(("spec",), "metadata", "spec"),
        )

    def test_an_empty_value_of_a_trusted_source_hides_nothing(self, model):
        put(model, _json=HAND, _metadata_json=MANAGER)
        assert said(describe_model_file(model, {}), "notes") == (
            "kept there",
            "ink.metadata.json",
        )

    def test_the_page_goes_before_modelspec_only_where_trainers_fill_it(self, model):
        put(model, _civitai_info=PAGE)
        found = describe_model_file(model, SPEC)
        for name, value in {"title": "Page", "description": "on the page",
                            "trigger_words": ("page",), "base_model": "Illustrious"}.items():
            assert said(found, name) == (value, "ink.civitai.info")
        assert said(found, "author") == ("trainer", "metadata")

    def test_a_text_beside_the_model_goes_before_the_page(self, model):
        put(model, _civitai_info=PAGE, _txt="mine")
        assert said(describe_model_file(model, SPEC), "description") == ("mine", "ink.txt")

    def test_equal_values_are_no_other_opinion(self, model):
        put(model, _civitai_info=PAGE, _swarm_json={"modelspec.title": "Page"})
        assert "title" not in describe_model_file(model, {}).others

    def test_markup_goes_with_the_text_that_was_chosen(self, model):
        put(model, _civitai_info=PAGE | {"model": {"description": "<p>page</p>"}})
        assert describe_model_file(model, {}).get("description_html") == "<p>page</p>"
        put(model, _json=HAND)
        assert "description_html" not in describe_model_file(model, {}).values


class TestLocks:
    def test_what_the_user_locked_wins_over_everything(self, model):
        put(model, _json=HAND)
        found = describe_model_file(model, SPEC, locks={"description": "", "title": "Mine"})
        assert found.values["title"] == Sourced("Mine", "user", "lock")
        assert found.values["description"] == Sourced("", "user", "lock")
        assert found.others["description"][0] == Sourced("by hand", "ink.json", "hand")

    def test_a_field_that_nobody_else_has_can_be_locked(self, model):
        found = describe_model_file(model, {}, locks={"trigger_words": ("a",)})
        assert said(found, "trigger_words") == (("a",), "user")


TAGS = {"ss_tag_frequency": '{"10_img": {"ohwx": 9, "hat": 1}}'}


class TestTriggerWordsOfTheTraining:
    def test_they_are_used_where_nobody_has_any(self, model):
        found = describe_model_file(model, TAGS)
        assert found.values["trigger_words"] == Sourced(("ohwx",), "metadata", "guess")

    def test_they_are_not_even_read_where_somebody_has_some(self, model, monkeypatch):
        monkeypatch.setattr(described, "guess_trigger_words", lambda _: pytest.fail("was read"))
        put(model, _json=HAND)
        assert describe_model_file(model, TAGS).get("trigger_words") == ("hand",)


class TestWhatLiesBeside:
    def test_previews_are_listed_the_one_to_show_first(self, model):
        put(model, _png=b"x", _preview_png=b"x", _mp4=b"x")
        found = describe_model_file(model, {})
        assert found.previews == ("ink.preview.png", "ink.png", "ink.mp4")

    def test_files_of_a_longer_name_are_not_ours(self, model):
        model.with_name("ink.wash.safetensors").write_bytes(b"")
        model.with_name("ink.wash.json").write_text(json.dumps(HAND))
        assert describe_model_file(model, {}) == Described()

    def test_given_names_are_believed(self, model):
        put(model, _json=HAND)
        assert describe_model_file(model, {}, ["ink.safetensors"]) == Described()
        assert describe_model_file(model, {}, {"ink.json"}).get("description") == "by hand"

    def test_a_sidecar_that_vanished_is_told(self, model):
        (problem,) = describe_model_file(model, {}, ["ink.json"]).problems
        assert problem.startswith("ink.json cannot be read")

    def test_a_folder_that_is_not_there_has_nothing_beside(self, tmp_path):
        found = describe_model_file(tmp_path / "none" / "ink.safetensors", SPEC)
        assert found.get("title") == "File name"

    def test_broken_sidecars_are_all_told_and_the_good_ones_read(self, model):
        put(model, _json="{", _metadata_json="[]", _civitai_info=PAGE)
        found = describe_model_file(model, {})
        assert found.get("title") == "Page"
        assert [problem.split()[0] for problem in found.problems] == [
            "ink.json", "ink.metadata.json",
        ]  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.sets(st.sampled_from(["_json", "_civitai_info", "_metadata_json", "_swarm_json"])))
def test_one_more_source_never_takes_a_field_away(tmp_path, kinds):
    contents = {"_json": HAND, "_civitai_info": PAGE, "_metadata_json": MANAGER,
                "_swarm_json": {"modelspec.title": "Swarm"}}  # fmt: skip
    model = tmp_path / "ink.safetensors"
    for old in tmp_path.iterdir():
        old.unlink()
    fields = set(describe_model_file(model, SPEC).values)
    for kind in sorted(kinds):
        put(model, **{kind: contents[kind]})
        now = describe_model_file(model, SPEC)
        assert fields <= set(now.values)
        fields = set(now.values)


def test_a_model_without_sidecars_is_described_without_looking_at_the_disk(tmp_path):
    metadata = SPEC | {f"ss_key_{i}": "x" for i in range(60)} | {"ss_output_name": "ink"}
    nowhere = tmp_path / "no such folder" / "ink.safetensors"
    assert describe_model_file(nowhere, metadata, ("ink.safetensors",)).get("title")
    few, many = (calls_in(lambda m=m: describe_model_file(nowhere, m, ("ink.safetensors",)))
                 for m in (SPEC, metadata))  # fmt: skip
    assert many - few < 10 * 61, "a few looks at each entry"
