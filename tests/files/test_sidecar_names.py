"""Every tool's sidecars and previews are found by exact suffix and belong to the right model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loradex.files.sidecar_names import (
    FULL_NAME_SUFFIXES,
    MODEL_SUFFIXES,
    PREVIEW_SUFFIXES,
    SIDECAR_SUFFIXES,
    companions,
    companions_by_model,
    models_of,
    previews,
)

from tests.counting import calls_in

STEMS = st.sampled_from(["a", "A", "a.b", "a.b.c", "a_1", "a.preview", "a.metadata", "ä", "a.pt"])
NAMES = st.builds(
    "".join,
    st.tuples(
        STEMS,
        st.sampled_from(["", "", ".safetensors", "_0", ".example.1"]),
        st.sampled_from([*MODEL_SUFFIXES, *SIDECAR_SUFFIXES, *PREVIEW_SUFFIXES[:8], ".PNG", ""]),
    ),
)


@pytest.mark.parametrize("suffix", [*SIDECAR_SUFFIXES, *PREVIEW_SUFFIXES])
def test_every_suffix_of_the_lists_belongs_to_its_stem(suffix):
    for name in (f"ink{suffix}", f"ink{suffix.upper()}"):
        assert "ink" in models_of(name)
        assert companions("ink.safetensors", ["ink.safetensors", name]) == (name,)


@pytest.mark.parametrize("suffix", FULL_NAME_SUFFIXES)
def test_what_is_appended_to_a_full_name_belongs_to_that_file_alone(suffix):
    names = ["ink.safetensors", "ink.pt", f"ink.safetensors{suffix}"]
    assert "ink.safetensors" in models_of(names[2])
    assert companions("ink.safetensors", names) == (names[2],)
    assert companions("ink.pt", names) == ()


@pytest.mark.parametrize(
    ("name", "owners"),
    [
        ("ink.metadata.json", ("ink.metadata", "ink")),
        ("ink.wash.json", ("ink.wash",)),
        ("ink.rgthree-info.json", ("ink.rgthree-info",)),
        ("Ink.Safetensors.RGTHREE-info.JSON", ("Ink.Safetensors.RGTHREE-info", "Ink.Safetensors")),
        ("ink_0.jpg", ("ink_0", "ink")),
        ("ink_v2_3.JPG", ("ink_v2_3", "ink_v2")),
        ("ink.example.12.webm", ("ink.example.12", "ink")),
        ("ink-000004.png", ("ink-000004",)),
        ("adapter_config.json", ("adapter_config", "adapter_model")),
        ("ink.safetensors", ()), ("ink.PT", ()), ("ink", ()), (".json", ()), ("", ()),
        ("ink.safetensors.part", ()), ("ink.md", ()), ("_0.jpg", ("_0",)), ("a\n_0.jpg",
        ("a\n_0", "a\n")),
    ],
)  # fmt: skip
def test_the_most_specific_owner_stands_first(name, owners):
    assert models_of(name) == owners


def test_a_longer_name_of_the_folder_keeps_its_own_files():
    names = ["foo.safetensors", "foo.bar.safetensors", "foo.json", "foo.bar.json", "foo.png",
             "foo.bar.preview.png", "foo.bar.baz.json"]  # fmt: skip
    assert companions("foo.safetensors", names) == ("foo.json", "foo.png")
    assert companions("foo.bar.safetensors", names) == ("foo.bar.json", "foo.bar.preview.png")


def test_a_model_called_like_a_sidecar_takes_what_is_named_after_it():
    names = ["foo.safetensors", "foo.metadata.safetensors", "foo.metadata.json"]
    assert companions("foo.metadata.safetensors", names) == ("foo.metadata.json",)
    assert companions("foo.safetensors", names) == ()
    assert companions("foo.safetensors", [names[0], names[2]]) == ("foo.metadata.json",)


def test_numbered_pictures_go_to_the_model_of_that_number():
    names = ["foo.safetensors", "foo_1.safetensors", "foo_1.png", "foo_2.png"]
    assert companions("foo.safetensors", names) == ("foo_2.png",)
    assert companions("foo_1.safetensors", names) == ("foo_1.png",)


def test_two_files_of_one_stem_share_their_sidecars():
    shared = companions_by_model(["foo.pt", "foo.safetensors", "foo.json"])
    assert shared == {"foo.pt": ("foo.json",), "foo.safetensors": ("foo.json",)}


def test_the_same_spelling_wins_over_another_case_and_another_case_over_nothing():
    both = companions_by_model(["Foo.pt", "foo.pt", "Foo.json", "foo.json", "FOO.png"])
    assert both == {"Foo.pt": ("FOO.png", "Foo.json"), "foo.pt": ("FOO.png", "foo.json")}


def test_the_configuration_of_a_peft_adapter_moves_with_it():
    names = ["adapter_model.safetensors", "adapter_config.json", "other.safetensors"]
    assert companions(names[0], names) == ("adapter_config.json",)
    assert companions(names[2], names) == ()


def test_a_model_that_is_not_in_the_list_is_asked_about_all_the_same():
    assert companions("foo.safetensors", ["foo.json"]) == ("foo.json",)


def test_previews_stand_in_the_order_of_the_tools_and_numbered_ones_last():
    names = ["a_10.jpg", "a_2.jpg", "a.example.0.jpeg", "a.thumb.jpg", "a.png", "a.PREVIEW.png",
             "a.webp", "a.mp4", "a.json"]  # fmt: skip
    assert previews("a.safetensors", names) == (
        "a.webp", "a.PREVIEW.png", "a.png", "a.mp4", "a.thumb.jpg", "a_2.jpg", "a_10.jpg",
        "a.example.0.jpeg",
    )  # fmt: skip


@given(st.sets(NAMES, max_size=12))
def test_one_model_or_all_at_once_give_the_same(names):
    together = companions_by_model(names)
    assert together == {model: companions(model, names) for model in together}
    assert all(name in names and name not in together for one in together.values() for name in one)


@given(st.sets(NAMES, max_size=12))
def test_a_file_has_one_owner_or_owners_of_one_name(names):
    for name in names:
        owners = {m for m, found in companions_by_model(names).items() if name in found}
        stems = {m.lower().rsplit(".", 1)[0] for m in owners} | {m.lower() for m in owners}
        assert not owners or any(o.lower() in stems for o in models_of(name))
        assert len({m.lower().rsplit(".", 1)[0] for m in owners}) <= 2


@given(st.text(max_size=30))
def test_any_name_is_answered_with_beginnings_of_itself(name):
    for owner in models_of(name):
        assert owner
        assert name.startswith(owner) or name.lower() == "adapter_config.json"


def test_a_folder_of_thousands_is_read_in_one_pass():
    def names(count):
        suffixes = (".safetensors", ".json", ".png")
        return [f"lora_{i:05}{suffix}" for i in range(count) for suffix in suffixes]

    found = companions_by_model(names(2_000))
    assert found["lora_00007.safetensors"] == ("lora_00007.json", "lora_00007.png")
    few, many = (calls_in(lambda n=n: companions_by_model(names(n))) for n in (200, 2_000))
    assert many < 11 * few
