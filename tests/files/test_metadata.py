"""Metadata of every trainer becomes fields; damaged values are left out and never raise."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loradex.files import metadata as metadata_module
from loradex.files.metadata import (
    embedded_cover,
    has_embedded_cover,
    read_metadata,
)
from loradex.files.plain_text import clean, one_line, plain, split_words
from loradex.files.training import (
    Training,
    frequent_tags,
    guess_trigger_words,
    read_training,
    tag_folders,
)

KOHYA = {
    "ss_output_name": "inkwash", "ss_session_id": "1234", "ss_epoch": "7", "ss_steps": "2100",
    "ss_num_epochs": "10", "ss_num_train_images": "420", "ss_resolution": "(1024, 1024)",
    "ss_sd_model_name": "C:\\models\\noobaiXL.safetensors", "ss_sd_model_hash": "1A2B3C4D",
    "ss_new_sd_model_hash": "AB" * 32, "ss_network_module": "networks.lora",
    "ss_network_dim": "16", "ss_network_alpha": "8.0", "ss_network_args": '{"conv_dim": "4"}',
    "ss_base_model_version": "sdxl_base_v1-0", "ss_optimizer": "AdamW8bit",
    "ss_unet_lr": "0.0001", "ss_clip_skip": "None", "ss_seed": "42",
    "ss_training_started_at": "1700000000.5", "ss_training_finished_at": "1700003600.0",
    "ss_training_comment": "None", "sshs_model_hash": "cd" * 32,
}  # fmt: skip
SPEC = {
    "modelspec.title": "Ink Wash", "modelspec.author": "somebody",
    "modelspec.description": "<p>Ink &amp; <b>water</b></p>", "modelspec.date": "2024-05-06",
    "modelspec.trigger_phrase": "inkwash, sumi-e", "modelspec.tags": "style, ink",
    "modelspec.architecture": "stable-diffusion-xl-v1-base/lora", "modelspec.license": "CC0",
    "modelspec.usage_hint": "0.8", "modelspec.hash_sha256": "0x" + "EF" * 32,
}  # fmt: skip
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
JPEG = b"\xff\xd8\xff\xe0" + bytes(20)
WEBP = b"RIFF\x10\0\0\0WEBPVP8 "


def values(metadata):
    """Field -> value, the most trusted source first."""
    merged = {}
    found, problems = read_metadata(metadata)
    for one in found:
        for name, value in one.values.items():
            merged.setdefault(name, value)
    return merged, problems


class TestFields:
    def test_what_sd_scripts_writes(self):
        found, problems = values(KOHYA)
        assert found == {
            "alias": "inkwash", "session": "1234", "epoch": "7", "base_model": "noobaiXL",
            "tensor_sha256": "cd" * 32, "published": "2023-11-14T23:13:20",
        }  # fmt: skip
        assert problems == ()

    def test_modelspec_goes_before_the_trainers_own_fields(self):
        found, problems = values(KOHYA | SPEC)
        assert found["title"] == "Ink Wash"
        assert found["description"] == "Ink & water"
        assert found["description_html"] == "<p>Ink &amp; <b>water</b></p>"
        assert found["trigger_words"] == ("inkwash", "sumi-e")
        assert found["tags"] == ("style", "ink")
        assert found["tensor_sha256"] == "ef" * 32
        assert found["published"] == "2024-05-06"
        assert problems == ()

    def test_what_additional_networks_wrote_goes_before_both(self):
        found, _ = values(
            SPEC | {"ssmd_display_name": "By hand", "ssmd_rating": "8", "ssmd_keywords": "a, b",
                    "ssmd_source": "https://x", "ssmd_tags": "t", "ssmd_version": "v2",
                    "ssmd_author": "me", "ssmd_description": "d"}
        )  # fmt: skip
        assert found["title"] == "By hand"
        assert found["rating"] == 8
        assert found["trigger_words"] == ("a", "b")

    @pytest.mark.parametrize("rating", ["0", "11", "-1", ""])
    def test_a_rating_outside_of_one_to_ten_is_none(self, rating):
        assert "rating" not in values({"ssmd_rating": rating})[0]

    def test_a_title_that_is_a_time_is_no_title(self):
        assert "title" not in values({"modelspec.title": "LoRA@1700000000"})[0]

    def test_ai_toolkit_tells_its_epoch_in_json(self):
        found, _ = values({"training_info": '{"step": 2000, "epoch": 19}', "ss_output_name": "x"})
        assert found == {"epoch": "19", "alias": "x"}

    def test_a_hash_that_is_none_is_told(self):
        assert values({"sshs_model_hash": "no"})[1] == ("metadata: 'sshs_model_hash' is no hash",)

    def test_without_metadata_nothing_is_said(self):
        assert read_metadata({}) == ((), ())

    @given(
        st.dictionaries(
            st.sampled_from([*KOHYA, *SPEC, "ssmd_rating", "ssmd_tags", "training_info",
                             "ss_tag_frequency", "ss_dataset_dirs", "ss_datasets", "software",
                             "lora_adapter_metadata", "ssmd_cover_images", "modelspec.thumbnail"]),
            st.text() | st.sampled_from(["None", "9" * 400, "{", "[]", '{"a": {"b": 1}}', "nan"]),
        )
    )  # fmt: skip
    def test_any_metadata_is_read_without_an_exception(self, metadata):
        found, problems = read_metadata(metadata)
        assert all(value for one in found for value in one.values.values())
        json.dumps([list(one.values.values()) for one in found])
        assert all(isinstance(problem, str) for problem in problems)
        assert isinstance(read_training(metadata), Training)
        assert isinstance(guess_trigger_words(metadata), tuple)
        frequent_tags(tag_folders(metadata))
        embedded_cover(metadata)


class TestTraining:
    def test_the_facts_of_sd_scripts(self):
        facts = read_training(KOHYA)
        assert facts.tool == "sd-scripts"
        assert (facts.steps, facts.epoch, facts.epochs, facts.images) == (2100, 7, 10, 420)
        assert facts.resolution == "1024, 1024"
        assert (facts.base_hash, facts.base_sha256) == ("1a2b3c4d", "ab" * 32)
        assert (facts.rank, facts.alpha, facts.network_args) == ("16", "8.0", {"conv_dim": "4"})
        assert (facts.clip_skip, facts.seed, facts.comment) == (None, 42, "")

    @pytest.mark.parametrize(
        ("metadata", "tool"),
        [
            ({"software": '{"name": "ai-toolkit", "version": "0.7.1"}'}, "ai-toolkit 0.7.1"),
            ({"ot_revision": "abc"}, "OneTrainer"),
            ({"ss_network_module": "lycoris.kohya"}, "LyCORIS"),
            ({"lora_adapter_metadata": '{"unet.r": 4}'}, "PEFT"), ({}, ""),
            ({"software": "not json"}, ""),
        ],
    )  # fmt: skip
    def test_the_tool_that_made_it(self, metadata, tool):
        assert read_training(metadata).tool == tool

    def test_rank_and_alpha_of_a_diffusers_network(self):
        facts = read_training({"lora_adapter_metadata": '{"unet.r": 4, "unet.lora_alpha": 8}'})
        assert (facts.rank, facts.alpha) == ("4", "8")


def frequency(**folders):
    return {
        "ss_tag_frequency": json.dumps({name: tags for name, (_, tags) in folders.items()}),
        "ss_dataset_dirs": json.dumps(
            {name: {"n_repeats": 10, "img_count": count} for name, (count, _) in folders.items()}
        ),
    }


class TestTriggerWords:
    def test_a_tag_of_nearly_all_pictures_that_is_no_common_word(self):
        metadata = frequency(**{"10_img": (20, {"1girl": 20, "ohwx": 20, "smile": 3, "hat": 9})})
        assert guess_trigger_words(metadata) == ("ohwx",)

    def test_the_folders_own_word_stands_first(self):
        metadata = frequency(**{"5_ink wash": (20, {"sumi": 20, "paper": 20, "ink wash": 19})})
        assert guess_trigger_words(metadata) == ("ink wash", "sumi", "paper")

    def test_a_folder_whose_tags_tell_nothing_gives_its_own_words(self):
        metadata = frequency(**{"10_ohwx_woman": (9, {"1girl": 9, "hat": 4})})
        assert guess_trigger_words(metadata) == ("ohwx woman",)

    @pytest.mark.parametrize("name", ["10_img", "dataset", "10_1234", ""])
    def test_a_folder_without_a_telling_name_gives_nothing(self, name):
        assert guess_trigger_words(frequency(**{name: (9, {"1girl": 9})})) == ()

    def test_every_folder_has_its_words(self):
        metadata = frequency(**{"4_a": (5, {"alice": 5, "x": 1}), "4_b": (9, {"bob": 9, "x": 1})})
        assert guess_trigger_words(metadata) == ("alice", "bob")

    def test_sentences_are_no_words(self):
        caption = "a woman with long hair standing next to a very red car on a beach"
        assert guess_trigger_words(frequency(**{"9_gini": (1, {caption: 1})})) == ("gini",)

    def test_what_ai_toolkit_writes_for_automatic1111(self):
        assert guess_trigger_words({"ss_tag_frequency": '{"1_inkw": {"inkw": 1}}'}) == ("inkw",)

    def test_datasets_of_a_configuration_file(self):
        datasets = [{"tag_frequency": {"img": {"ohwx": 4, "hat": 1}}, "subsets": []}]
        assert guess_trigger_words({"ss_datasets": json.dumps(datasets)}) == ("ohwx",)

    def test_class_tokens_of_a_set_without_captions(self):
        datasets = [{"subsets": [{"class_tokens": "ohwx man"}, {"class_tokens": None}, 3]}]
        assert guess_trigger_words({"ss_datasets": json.dumps(datasets)}) == ("ohwx man",)

    def test_a_long_list_is_judged_by_its_beginning_like_the_whole(self):
        tags = {"alice": 50, "1girl": 50} | {f"tag number {i}": 1 + i % 40 for i in range(3000)}
        both = frequency(**{"3_a": (50, tags), '2_}, "b': (60, {"bob": 60} | tags)})
        assert len(both["ss_tag_frequency"]) > 100_000
        assert guess_trigger_words(both) == ("alice", "bob")
        last = frequency(**{"3_a": (50, {"x": 1} | {k: v for k, v in tags.items() if v < 41} |
                                    {"zed": 50})})  # fmt: skip
        assert guess_trigger_words(last) == ("zed",), "a sorted list is read whole"

    def test_tags_are_counted_over_the_folders(self):
        folders = tag_folders(frequency(a=(2, {"x": 2, "y": 1}), b=(3, {"y": 3})))
        assert frequent_tags(folders) == (("y", 4), ("x", 2))
        assert [folder.images for folder in folders] == [2, 3]

    @pytest.mark.parametrize(
        "text",
        ["", "{", "[]", "1", '{"a": 1}', '{"a": {"b": "c"}}', '{"a": {"b": true}}',
         '{"a": {"b": -1}}', '{"a": {}}', "[" * 100_000, '{"a":' * 100_000],
    )  # fmt: skip
    def test_damaged_frequencies_give_nothing(self, text):
        assert guess_trigger_words({"ss_tag_frequency": text, "ss_datasets": text}) == ()


class TestCover:
    @pytest.mark.parametrize(
        ("raw", "kind"),
        [(PNG, "image/png"), (JPEG, "image/jpeg"), (WEBP, "image/webp"), (b"GIF89a", "image/gif"),
         (b"\0\0\0\x20ftypavif\0", "image/avif")],
    )  # fmt: skip
    def test_the_kind_is_told_by_the_bytes_and_not_by_the_name(self, raw, kind):
        encoded = base64.b64encode(raw).decode()
        uri = {"modelspec.thumbnail": f"data:image/jpeg;base64,{encoded}"}
        assert embedded_cover(uri) == (kind, raw)
        assert has_embedded_cover(uri)
        listed = {"ssmd_cover_images": json.dumps(["", 1, encoded])}
        assert embedded_cover(listed) == (kind, raw)
        assert has_embedded_cover({"ssmd_cover_images": json.dumps([encoded, encoded])})

    @pytest.mark.parametrize(
        "metadata",
        [
            {}, {"modelspec.thumbnail": "data:image/svg+xml;base64,PHN2Zz4="},
            {"modelspec.thumbnail": "https://example.org/x.png"},
            {"modelspec.thumbnail": "data:image/png;base64,%%%"}, {"ssmd_cover_images": "[]"},
            {"ssmd_cover_images": "{"}, {"ssmd_cover_images": '["ü"]'},
            {"modelspec.thumbnail": "data:image/png;base64," + "A" * 20_000_000},
        ],
    )  # fmt: skip
    def test_what_is_no_picture_gives_none(self, metadata):
        assert embedded_cover(metadata) is None
        assert not has_embedded_cover(metadata) or len(str(metadata)) > 1_000_000

    def test_a_large_cover_is_seen_without_being_decoded(self, monkeypatch):
        picture = base64.b64encode(PNG + bytes(3 << 20)).decode()
        metadata = {"modelspec.thumbnail": f"data:image/png;base64,{picture}"}
        decoded = []
        decode = metadata_module._picture
        monkeypatch.setattr(
            metadata_module, "_picture", lambda text: decoded.append(len(text)) or decode(text))
        assert has_embedded_cover(metadata)
        assert sum(decoded) < 1000


class TestPlainText:
    @pytest.mark.parametrize(
        ("html", "text"),
        [
            ("<p>Hello <b>you</b> &amp; me</p><p>end<br>x</p>", "Hello you & me\n\nend\nx"),
            ("<script>alert(1)</script>a<STYLE>b</style>c", "ac"),
            ("<ul><li>a</li><li>b</li></ul>", "- a\n- b"), ("a <!-- hidden --> b<br/>", "a b"),
            ("2 < 3 and 4 > 1", "2 < 3 and 4 > 1"), ("plain\r\n\r\ntext", "plain\n\ntext"),
            ("&lt;script&gt;<p>", "<script>"), ("<p>open <script>never closed", "open"),
            ("\x1b[31mred\x07\u202e<p>", "[31mred"),
        ],
    )  # fmt: skip
    def test_pages_become_text_for_terminals(self, html, text):
        assert plain(html) == text

    @given(st.text())
    def test_any_text_is_made_printable(self, text):
        for made in (clean(text), plain(text), one_line(text)):
            made.encode("utf-8")
            assert all(char in "\n\t" or not ("\x00" <= char < " ") for char in made)
        assert "\n" not in one_line(text)

    @pytest.mark.parametrize("piece", ["<", "<!--", "<a ", "</", "<a b='", "<![", "<script", "&"])
    @pytest.mark.timeout(20)
    def test_markup_that_never_ends_costs_no_minutes(self, piece):
        plain("<p>x</p>" + piece * (100_000 // len(piece)))

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("ohwx, red hat", ("ohwx", "red hat")), ("a, a,A ,", ("a",)), ("", ()),
            ("(red dress, hat:1.2), b", ("(red dress, hat:1.2)", "b")),
            ("outfit one, hat || outfit two", ("outfit one, hat", "outfit two")),
            ("a\nb", ("a", "b")), ("a),b", ("a)", "b")),
        ],
    )  # fmt: skip
    def test_one_text_is_split_into_words(self, text, words):
        assert split_words(text) == words
