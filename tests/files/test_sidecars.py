"""Sidecars of every tool give their fields; damaged ones are told and never raise."""

import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loradex.files.described import Described, Sourced, describe_model_file
from loradex.files.sidecar_names import FULL_NAME_SUFFIXES, SIDECAR_SUFFIXES
from loradex.files.sidecars import READERS

SHA = "ab" * 32
VERSION = {
    "id": 456, "modelId": 123, "name": "v2.0", "baseModel": "Illustrious",
    "trainedWords": ["ohwx woman, red hat", "ohwx"], "description": "<p>New version</p>",
    "createdAt": "2024-02-01T10:00:00.123Z", "publishedAt": "2024-03-01T10:00:00.000Z",
    "nsfwLevel": 4, "model": {"name": "Ink Wash", "type": "LORA", "nsfw": False},
    "files": [
        {"name": "other.zip", "type": "Training Data", "hashes": {"SHA256": "11" * 32}},
        {"name": "ink.safetensors", "primary": True, "type": "Model",
         "hashes": {"SHA256": SHA.upper(), "AutoV3": "ABCDEF012345"}},
    ],
    "images": [{"url": "https://x", "nsfwLevel": 1}], "downloadUrl": "https://x",
}  # fmt: skip
MODEL = {
    "id": 123, "name": "Ink Wash", "description": "<p>Water &amp; ink</p>", "type": "LORA",
    "tags": ["style", "ink"], "creator": {"username": "somebody", "image": None},
    "modelVersions": [
        {"id": 9, "name": "v1", "trainedWords": ["old"], "baseModel": "SD 1.5",
         "files": [{"name": "ink_old.safetensors", "hashes": {}}]}, VERSION,
    ],
}  # fmt: skip
A1111 = {
    "description": "By hand", "sd version": "SDXL", "activation text": "ohwx, (hat, coat:1.1)",
    "preferred weight": 0.75, "negative text": "blurry", "notes": "nice", "unknown": {"x": 1},
}  # fmt: skip
MANAGER = {
    "file_name": "ink", "model_name": "Ink Wash XL", "file_path": "/x/ink.safetensors",
    "sha256": SHA, "base_model": "NoobAI", "preview_nsfw_level": 1, "notes": "at night",
    "civitai": VERSION | {"model": {"name": "Ink", "description": "<b>page</b>", "tags": ["a"]},
                          "creator": {"username": "somebody"}},
    "tags": ["style", "night"], "modelDescription": "<p>Described</p>", "favorite": True,
    "usage_tips": json.dumps({"strength": 0.6, "strength_min": 0.4, "strength_max": 0.9,
                              "clip_strength": 0.5, "clip_skip": 2, "strength_range": "0.4-0.9"}),
    "hf_url": "", "autov3": None, "skip_metadata_refresh": False,
}  # fmt: skip
MATRIX = {
    "ModelId": 123, "ModelName": "Ink Wash", "ModelDescription": "<p>D</p>", "Nsfw": True,
    "Tags": ["style"], "ModelType": "LORA", "VersionId": 456, "VersionName": "v2",
    "VersionDescription": None, "BaseModel": "SDXL 1.0", "FileMetadata": {"fp": "fp16"},
    "ImportedAt": "2024-01-01T00:00:00+00:00", "Hashes": {"SHA256": SHA.upper(), "CRC32": "1"},
    "TrainedWords": ["ohwx"], "UserTitle": "My ink", "ThumbnailImageUrl": "https://x",
}  # fmt: skip
RGTHREE = {
    "file": "ink.safetensors", "path": "/x", "modified": 1, "name": "Ink - v2", "type": "LORA",
    "baseModel": "SDXL 1.0", "sha256": SHA, "links": ["https://civitai.com/models/123"],
    "images": [], "raw": {"civitai": VERSION, "metadata": {}},
    "trainedWords": [{"word": "tagged", "count": 99, "metadata": True},
                     {"word": "ohwx", "civitai": True}, {"word": "mine", "user": True}],
}  # fmt: skip
SWARM = {
    "modelspec.title": "Swarm ink", "modelspec.trigger_phrase": "ohwx; x", "modelspec.author": "me",
    "modelspec.usage_hint": "soft", "modelspec.lora_default_weight": "0.7",
}  # fmt: skip


def describe(tmp_path, metadata=None, locks=None, **files):
    """`files`: suffix with `_` for `.` -> content; `full_` begins one after the full name."""
    model = tmp_path / "ink.safetensors"
    model.write_bytes(b"")
    for suffix, content in files.items():
        put(tmp_path, suffix, content)
    return describe_model_file(model, metadata or {}, None, locks or {})


def put(tmp_path, suffix, content):
    stem = "ink.safetensors" if suffix in FULL_NAME_SUFFIXES[:1] else "ink"
    raw = content if isinstance(content, (bytes, str)) else json.dumps(content, ensure_ascii=False)
    (tmp_path / f"{stem}{suffix}").write_bytes(raw if isinstance(raw, bytes) else raw.encode())


def values(described):
    return {name: one.value for name, one in described.values.items()}


class TestFormats:
    def test_automatic1111(self, tmp_path):
        found = describe(tmp_path, **{".json": A1111})
        assert values(found) == {
            "description": "By hand", "sd_version": "SDXL", "notes": "nice",
            "trigger_words": ("ohwx", "(hat, coat:1.1)"), "preferred_strength": 0.75,
            "negative_words": "blurry",
        }  # fmt: skip
        assert {one.source for one in found.values.values()} == {"ink.json"}
        assert found.problems == ()

    def test_a_weight_of_zero_and_an_unknown_version_mean_that_nothing_is_set(self, tmp_path):
        found = describe(tmp_path, **{".json": A1111 | {"preferred weight": 0,
                                                       "sd version": "Unknown"}})  # fmt: skip
        assert "preferred_strength" not in found.values
        assert "sd_version" not in found.values

    def test_what_civitai_browser_and_zx_add(self, tmp_path):
        extra = {"modelId": 1, "modelVersionId": "2", "sha256": SHA.upper(), "extensions": {},
                 "activation text": "one, hat || two"}  # fmt: skip
        found = describe(tmp_path, **{".json": A1111 | extra})
        assert found.get("model_id") == 1
        assert found.get("version_id") == 2
        assert found.get("sha256") == SHA
        assert found.get("trigger_words") == ("one, hat", "two")

    @pytest.mark.parametrize("suffix", [".json", ".api_info.json", ".civitai.info"])
    def test_civitais_whole_model_gives_the_version_of_the_file(self, tmp_path, suffix):
        found = describe(tmp_path, **{suffix: MODEL})
        assert values(found) == {
            "title": "Ink Wash", "description": "Water & ink", "tags": ("style", "ink"),
            "description_html": "<p>Water &amp; ink</p>", "author": "somebody",
            "model_id": 123, "version_id": 456, "version": "v2.0", "base_model": "Illustrious",
            "trigger_words": ("ohwx woman, red hat", "ohwx"), "published": "2024-03-01T10:00:00",
            "version_notes": "New version", "version_notes_html": "<p>New version</p>",
            "nsfw_level": 4, "sha256": SHA, "autov3": "abcdef012345",
            "source_url": "https://civitai.com/models/123?modelVersionId=456",
        }  # fmt: skip

    def test_of_several_versions_none_is_taken_without_a_reason(self, tmp_path):
        other = MODEL | {"modelVersions": [MODEL["modelVersions"][0], {"id": 2, "files": 3}]}
        found = describe(tmp_path, **{".json": other})
        assert found.get("title") == "Ink Wash"
        assert "trigger_words" not in found.values
        assert found.get("source_url") == "https://civitai.com/models/123"

    def test_civitai_info(self, tmp_path):
        found = describe(tmp_path, **{".civitai.info": VERSION})
        assert found.get("title") == "Ink Wash"
        assert found.get("base_model") == "Illustrious"
        assert found.get("description") == "New version"
        assert found.get("sha256") == SHA
        zx = VERSION | {"model": VERSION["model"] | {"description": "of the model",
                                                    "tags": [{"name": "t"}], "creator": "me"}}
        found = describe(tmp_path, **{".civitai.info": zx})
        assert found.get("description") == "of the model"
        assert found.get("tags") == ("t",)
        assert found.get("author") == "me"

    @pytest.mark.parametrize("content", ["", "{}", " \n"])
    def test_an_empty_civitai_info_says_that_civitai_does_not_know_it(self, tmp_path, content):
        assert describe(tmp_path, **{".civitai.info": content}) == Described()

    def test_lora_manager(self, tmp_path):
        found = describe(tmp_path, **{".metadata.json": MANAGER})
        got = values(found)
        assert got["title"] == "Ink Wash XL"
        assert got["notes"] == "at night"
        assert got["favourite"] is True
        assert got["tags"] == ("style", "night")
        assert got["base_model"] == "NoobAI"
        assert got["description"] == "Described"
        assert got["trigger_words"] == ("ohwx woman, red hat", "ohwx")
        assert (got["preferred_strength"], got["te_strength"]) == (0.6, 0.5)
        assert (got["strength_min"], got["strength_max"], got["clip_skip"]) == (0.4, 0.9, 2)
        assert got["strength_range"] == "0.4-0.9"
        assert (got["sha256"], got["autov3"]) == (SHA, "abcdef012345")
        assert got["nsfw_level"] == 1
        assert found.problems == ()

    @pytest.mark.parametrize("tips", ["", "{}", None])
    def test_no_usage_tips_are_no_fault(self, tmp_path, tips):
        found = describe(tmp_path, **{".metadata.json": {"usage_tips": tips, "base_model":
                                                        "Unknown", "favorite": False}})  # fmt: skip
        assert found == Described()

    @pytest.mark.parametrize("suffix", [".cm-info.json", ".cminfo.json"])
    def test_stability_matrix_and_civicomfy(self, tmp_path, suffix):
        got = values(describe(tmp_path, **{suffix: MATRIX}))
        assert got == {
            "title": "My ink", "model_id": 123, "version_id": 456, "version": "v2",
            "description": "D", "description_html": "<p>D</p>", "tags": ("style",),
            "trigger_words": ("ohwx",), "base_model": "SDXL 1.0", "sha256": SHA, "nsfw_level": 4,
        }  # fmt: skip

    def test_swarm(self, tmp_path):
        got = values(describe(tmp_path, **{".swarm.json": SWARM}))
        assert got == {
            "title": "Swarm ink", "trigger_words": ("ohwx; x",), "author": "me",
            "usage_hint": "soft", "preferred_strength": 0.7,
        }  # fmt: skip

    def test_rgthree(self, tmp_path):
        found = describe(tmp_path, **{".rgthree-info.json": RGTHREE})
        assert found.get("trigger_words") == ("mine",)
        assert found.others["trigger_words"][0].value == ("ohwx",)
        assert found.get("title") == "Ink - v2"
        assert found.get("model_id") == 123
        assert found.get("source_url") == "https://civitai.com/models/123"

    def test_texts_and_hashes(self, tmp_path):
        got = values(describe(tmp_path, **{".txt": "From a text", ".sha256": SHA.upper() + "\n"}))
        assert got == {"description": "From a text", "sha256": SHA}
        got = values(describe(tmp_path, **{".description.txt": "Longer", ".sha256": f"{SHA}  a"}))
        assert got == {"description": "Longer", "sha256": SHA}

    def test_the_misnamed_json_gives_hashes_and_numbers_alone(self, tmp_path):
        content = json.dumps(A1111 | {"modelId": 5, "sha256": SHA})
        (tmp_path / "ink.safetensors.json").write_text(content)
        assert values(describe(tmp_path)) == {"model_id": 5, "sha256": SHA}

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
    def test_files_of_windows_editors(self, tmp_path, encoding):
        raw = json.dumps({"notes": "schön"}, ensure_ascii=False).encode(encoding)
        assert describe(tmp_path, **{".json": raw}).get("notes") == "schön"

    def test_suffixes_in_other_case(self, tmp_path):
        assert describe(tmp_path, **{".JSON": {"notes": "n"}}).get("notes") == "n"

    def test_every_reader_has_its_suffix_on_the_list_of_names(self):
        for reader in READERS:
            listed = FULL_NAME_SUFFIXES if reader.full_name else SIDECAR_SUFFIXES
            assert reader.suffix in listed
        assert len({(reader.suffix, reader.full_name) for reader in READERS}) == len(READERS)


BROKEN = {
    "is empty": b"", "is no JSON": b"{", "is JSON, but no object": b"[1]",
    "is no UTF-8 text": b'{"a": "\xff\xff"}', "is nested too deeply": b'{"a":' * 100_000,
}  # fmt: skip
JSON_SUFFIXES = sorted({reader.suffix for reader in READERS if not reader.text})


class TestBroken:
    @pytest.mark.parametrize("words", BROKEN)
    @pytest.mark.parametrize("suffix", JSON_SUFFIXES)
    def test_a_broken_sidecar_is_told_and_loses_nothing_else(self, tmp_path, suffix, words):
        metadata = {"modelspec.title": "t"}
        found = describe(tmp_path, metadata, **{suffix: BROKEN[words]})
        assert found.get("title") == "t"
        if words == "is empty" and suffix in (".civitai.info", ".api_info.json"):
            assert found.problems == ()
            return
        (problem,) = found.problems
        assert words in problem
        assert suffix in problem
        assert problem.endswith(".")

    def test_a_folder_in_the_place_of_a_sidecar_is_told(self, tmp_path):
        (tmp_path / "ink.json").mkdir()
        (problem,) = describe(tmp_path).problems
        assert problem.startswith("ink.json cannot be read (")

    def test_a_value_of_the_wrong_type_is_told_and_the_others_are_kept(self, tmp_path):
        found = describe(tmp_path, **{".json": A1111 | {"preferred weight": "much", "notes": []}})
        assert found.get("description") == "By hand"
        assert found.problems == (
            "ink.json: 'preferred weight' has text, not a number.",
            "ink.json: 'notes' has a list, not text.",
        )

    def test_odd_elements_of_a_list_are_told_once_and_the_rest_is_kept(self, tmp_path):
        found = describe(tmp_path, **{".civitai.info": VERSION | {"trainedWords": ["a", 1, 2]}})
        assert found.get("trigger_words") == ("a",)
        assert len(found.problems) == 1

    def test_usage_tips_that_are_no_json_are_told(self, tmp_path):
        found = describe(tmp_path, **{".metadata.json": MANAGER | {"usage_tips": "0.8"}})
        assert found.problems == ("ink.metadata.json: 'usage_tips' is no JSON object.",)

    def test_a_hash_file_without_a_hash_is_told(self, tmp_path):
        assert describe(tmp_path, **{".sha256": "nothing"}).problems == (
            "ink.sha256 holds no SHA-256.",
        )

    def test_scripts_and_terminal_codes_never_come_through(self, tmp_path):
        evil = "<script>alert(1)</script>\x1b[2Jhello<img src=x onerror=alert(1)>"
        found = describe(tmp_path, **{".civitai.info": VERSION | {"description": evil}})
        assert found.get("description") == "[2Jhello"


def keys_of(document):
    for key, value in document.items():
        yield key
        if isinstance(value, dict):
            yield from keys_of(value)


KEYS = sorted({k for d in (VERSION, MODEL, A1111, MANAGER, MATRIX, RGTHREE, SWARM)
               for k in keys_of(d)} | {"strength", "username", "hashes", "SHA256", "word", "user"})
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
    | st.sampled_from(["9" * 400, "1e999", "\ud800", '{"strength": []}']),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip
SHAPES = {".json": [A1111, MODEL], ".civitai.info": [VERSION], ".metadata.json": [MANAGER],
          ".cm-info.json": [MATRIX], ".swarm.json": [SWARM], ".rgthree-info.json": [RGTHREE],
          ".cminfo.json": [MATRIX], ".api_info.json": [MODEL]}  # fmt: skip


@st.composite
def damaged(draw):
    """A sidecar of some tool with some values replaced by anything."""
    suffix = draw(st.sampled_from(sorted(SHAPES)))
    document = json.loads(json.dumps(draw(st.sampled_from(SHAPES[suffix]))))
    for _ in range(draw(st.integers(0, 3))):
        here = document
        while True:
            key = draw(st.sampled_from(sorted(here)))
            inner = here[key]
            if isinstance(inner, dict) and inner and draw(st.booleans()):
                here = inner
                continue
            here[key] = draw(ANY)
            break
    return suffix, document


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damaged() | st.tuples(st.sampled_from(sorted(SHAPES)), st.dictionaries(
    st.sampled_from(KEYS), ANY)))  # fmt: skip
def test_values_of_any_type_never_raise_and_never_come_out_of_the_wrong_type(tmp_path, case):
    suffix, document = case
    put(tmp_path, suffix, json.dumps(document))
    found = describe(tmp_path)
    (tmp_path / f"ink{suffix}").unlink(missing_ok=True)
    texts = {"title", "description", "notes", "base_model", "version", "author", "source_url"}
    for name, one in found.values.items():
        assert isinstance(one, Sourced)
        assert one.value not in ("", (), None, 0)
        if name in texts:
            one.value.encode("utf-8")
            assert re.search(r"[\x00-\x08\x1b]", one.value) is None
        if name in ("trigger_words", "tags"):
            assert isinstance(one.value, tuple)
            assert all(isinstance(word, str) and word for word in one.value)
        if name.endswith("_id"):
            assert type(one.value) is int
    for problem in found.problems:
        problem.encode("utf-8")
        assert "\n" not in problem


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([r.suffix for r in READERS]), st.binary(max_size=200))
def test_any_bytes_in_a_sidecar_are_told_or_read(tmp_path, suffix, raw):
    put(tmp_path, suffix, raw)
    assert isinstance(describe(tmp_path), Described)
