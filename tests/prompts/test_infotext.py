"""Infotext: read as AUTOMATIC1111 writes it, and written so that everything comes back."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loradex.errors import InputError
from loradex.prompts.infotext import (
    Infotext,
    format_lora_hashes,
    parse_infotext,
    parse_lora_hashes,
    write_infotext,
)

EXAMPLE = """\
a red circle, (blue:1.2) <lora:ink:0.8>
second line
Negative prompt: blurry,
low quality
Steps: 20, Sampler: Euler a, Schedule type: Karras, CFG scale: 7, Seed: 1, Size: 512x768, \
Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, \
Lora hashes: "ink: 4d7a1b2c3d4e, b: 0a1b2c3d4e5f", \
Version: v1.10.1"""


class TestParse:
    def test_the_parts_of_an_infotext(self):
        found = parse_infotext(EXAMPLE)
        assert found.prompt == "a red circle, (blue:1.2) <lora:ink:0.8>\nsecond line"
        assert found.negative_prompt == "blurry,\nlow quality"
        assert list(found.params)[:3] == ["Steps", "Sampler", "Schedule type"]
        assert found.params["Sampler"] == "Euler a"
        assert found.params["Lora hashes"] == "ink: 4d7a1b2c3d4e, b: 0a1b2c3d4e5f"
        assert found.size == (512, 768)
        assert found.lora_hashes == {"ink": "4d7a1b2c3d4e", "b": "0a1b2c3d4e5f"}

    def test_line_ends_of_windows_and_space_at_the_end(self):
        assert parse_infotext(EXAMPLE.replace("\n", "\r\n") + " \r\n") == parse_infotext(EXAMPLE)

    @pytest.mark.parametrize(
        "text", ["", "a cat", "a cat\na dog", "time: 10:30, a cat", "\n", "a, b: c"]
    )
    def test_text_without_parameters_is_a_prompt(self, text):
        assert parse_infotext(text) == Infotext(text)

    def test_a_negative_prompt_without_parameters(self):
        assert parse_infotext("a\nNegative prompt: b") == Infotext("a", "b")
        assert parse_infotext("Negative prompt:b\nc") == Infotext("", "b\nc")

    def test_parameters_alone(self):
        found = parse_infotext("Steps: 20, Seed: 1")
        assert found == Infotext("", "", {"Steps": "20", "Seed": "1"})

    def test_few_parameters_are_a_line_of_the_prompt_unless_the_steps_come_first(self):
        assert parse_infotext("a\nlight: soft, mood: dark").prompt == "a\nlight: soft, mood: dark"
        assert parse_infotext("a\nSteps: 20").params == {"Steps": "20"}

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ('"a, b: c"', "a, b: c"),
            (r'"say \"hi\", then"', 'say "hi", then'),
            (r'"line\nbreak"', "line\nbreak"),
            ('""', ""),
            ("", ""),
            ('"open', '"open'),
            (r'"bad \x escape"', r'"bad \x escape"'),
            ('in "the" middle', 'in "the" middle'),
        ],
    )
    def test_quoted_values(self, value, expected):
        found = parse_infotext(f"a\nSteps: 20, Note: {value}, Seed: 1")
        assert found.params == {"Steps": "20", "Note": expected, "Seed": "1"}

    @pytest.mark.parametrize("size", ["", "512", "512x", "axb", "-1x5", "9999999x1", "٣x٤"])
    def test_a_size_that_is_none(self, size):
        assert parse_infotext(f"a\nSteps: 1, Size: {size}").size is None

    @given(st.text() | st.text(st.sampled_from('aSteps: 1,"\\\nNegative prompt:Prompt lines')))
    def test_any_text_is_read(self, text):
        for content in (text, f"a\nSteps: 1, {text}", f"{text}\nSteps: 1, Prompt lines: {text}"):
            found = parse_infotext(content)
            assert found.size is None or len(found.size) == 2
            assert isinstance(found.lora_hashes, dict)


class TestWrite:
    def test_it_is_what_automatic1111_writes(self):
        params = {
            "Steps": 20, "Sampler": "Euler a", "Schedule type": "Karras", "CFG scale": 7.0,
            "Seed": 1, "Size": "512x768", "Model hash": "6ce0161689",
            "Model": "v1-5-pruned-emaonly", "VAE": None,
            "Lora hashes": "ink: 4d7a1b2c3d4e, b: 0a1b2c3d4e5f", "Version": "v1.10.1",
        }  # fmt: skip
        prompt = "a red circle, (blue:1.2) <lora:ink:0.8>\nsecond line"
        assert write_infotext(prompt, "blurry,\nlow quality", params) == EXAMPLE

    def test_an_empty_negative_prompt_is_left_out(self):
        assert write_infotext("a", "", {"Steps": 20}) == "a\nSteps: 20"
        assert write_infotext("", "", {"Steps": 20}) == "Steps: 20"
        assert write_infotext("", "b", {"Steps": 20}) == "Negative prompt: b\nSteps: 20"
        assert write_infotext("", "", {}) == ""

    def test_numbers_are_short_and_exact(self):
        text = write_infotext("a", "", {"Steps": 20, "CFG scale": 7.5, "Eta": 1e-07, "Flag": True})
        assert text == "a\nSteps: 20, CFG scale: 7.5, Eta: 1e-07, Flag: True"

    @pytest.mark.parametrize("name", ["", "a", "a:b", "a,b", " ab", "ab ", "a\nb", '"ab"'])
    def test_a_name_that_cannot_be_read_back_is_refused(self, name):
        with pytest.raises(InputError, match="cannot be read back"):
            write_infotext("a", "", {"Steps": 20, name: 1})


KEYS = st.from_regex(r"[A-Za-z][A-Za-z0-9 /\-]{0,8}[A-Za-z0-9]", fullmatch=True).filter(
    lambda key: key not in ("Prompt lines", "Steps")
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
PARAMETER_LIKE = st.lists(
    st.sampled_from(
        ["Negative prompt: x", "Negative prompt:", "Steps: 20, Seed: 1, Size: 1x1", "a", ""]
    )
    | TEXT,
    max_size=4,
).map("\n".join)
PROMPTS = TEXT | PARAMETER_LIKE


def plain(text):
    return re.sub("\r\n?", "\n", text)


class TestRoundTrip:
    @given(PROMPTS, PROMPTS, st.dictionaries(KEYS, TEXT | st.integers()))
    def test_what_is_written_is_read_back(self, prompt, negative, params):
        params = {"Steps": 20, **params}
        found = parse_infotext(write_infotext(prompt, negative, params))
        assert found.prompt == plain(prompt)
        assert found.negative_prompt == plain(negative)
        assert found.params == {key: str(value) for key, value in params.items()}

    @given(PROMPTS, PROMPTS, st.dictionaries(KEYS, TEXT))
    def test_reading_and_writing_again_changes_nothing(self, prompt, negative, params):
        text = write_infotext(prompt, negative, {"Steps": 20, **params})
        found = parse_infotext(text)
        assert write_infotext(found.prompt, found.negative_prompt, found.params) == text

    @given(st.dictionaries(KEYS, TEXT))
    def test_automatic1111s_own_reading_rule_finds_the_same_parameters(self, params):
        """Its expression and its unquoting, as facts of the format (infotext_utils.py)."""
        line = write_infotext("", "", {"Steps": 20, **params})
        found = {}
        for key, value in re.findall(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)', line):
            quoted = value[:1] == value[-1:] == '"'
            found[key] = json.loads(value) if quoted else value
        assert found == {"Steps": "20", **params}


class TestLoraHashes:
    def test_the_form_of_automatic1111(self):
        text = format_lora_hashes({"ink": "4d7a1b2c3d4e5f60718293a4", "my: style, v2": "0a1b"})
        assert text == "ink: 4d7a1b2c3d4e, my style v2: 0a1b"
        assert parse_lora_hashes(text) == {"ink": "4d7a1b2c3d4e", "my style v2": "0a1b"}
        written = write_infotext("a", "", {"Steps": 1, "Lora hashes": text})
        assert 'Lora hashes: "ink: 4d7a1b2c3d4e, my style v2: 0a1b"' in written

    def test_pairs_keep_their_order(self):
        assert format_lora_hashes([("b", "1"), ("a", "2"), ("b", "1")]) == "b: 1, a: 2, b: 1"

    @pytest.mark.parametrize("text", ["", ",", "ink", ":", "ink:", ": 4d7a", ", ,"])
    def test_parts_that_are_no_pair_are_left_out(self, text):
        assert parse_lora_hashes(text) == {}

    @given(st.dictionaries(KEYS, st.from_regex("[0-9a-f]{12,64}", fullmatch=True)))
    def test_hashes_come_back(self, hashes):
        text = write_infotext("a", "", {"Steps": 1, "Lora hashes": format_lora_hashes(hashes)})
        short = {name: digits[:12] for name, digits in hashes.items()}
        assert parse_infotext(text).lora_hashes == short
