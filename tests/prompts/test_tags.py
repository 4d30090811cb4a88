"""Network tags: what AUTOMATIC1111 reads is read alike, and nothing wrong passes silently."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loradex.errors import PromptError
from loradex.prompts.curves import read_strength, strength_at
from loradex.prompts.schedule import Bound, Schedule
from loradex.prompts.tags import LoraTag, extract_tags, foreign_tags, format_tag

NAMES = (
    st.text(st.characters(exclude_characters=":>", exclude_categories=["Cs"]), min_size=1)
    .map(str.strip)
    .filter(bool)
)
STRENGTHS = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, 1.0, -0.7])
UNKNOWN = st.sampled_from([(), ("mask=1",), ("mask=1", "area=2")])
POINTS = st.lists(
    st.tuples(st.floats(0, 1) | st.integers(0, 50).map(float), st.floats(-4, 4)),
    min_size=2, max_size=5,
)  # fmt: skip
CURVES = POINTS.map(
    lambda points: read_strength(",".join(f"{value!r}@{place!r}" for place, value in points))
)
ANY_STRENGTHS = STRENGTHS | CURVES
BOUNDS = st.none() | st.integers(0, 99).map(lambda n: Bound(float(n), in_steps=True)) | st.floats(
    0, 1
).map(lambda n: Bound(n, in_steps=False))
SCHEDULES = st.builds(
    Schedule, ANY_STRENGTHS, ANY_STRENGTHS, st.none() | ANY_STRENGTHS, st.none() | ANY_STRENGTHS,
    BOUNDS, BOUNDS,
)  # fmt: skip
WORDS = st.sampled_from(["", "MIDD", "ALL0.5", "1,0,0.5,X", "my own"])


def tag_of(name, dyn, unknown, schedule, lbw, lbwe, x):
    """A tag as reading makes it: strengths that never change are two numbers."""
    te, unet = strength_at(schedule.te), strength_at(schedule.unet)
    return LoraTag(
        name, te, unet, dyn, "", unknown, None if schedule.plain else schedule, lbw, lbwe, x
    )


TAGS = st.builds(
    tag_of, NAMES, st.none() | st.integers(1, 999_999_999), UNKNOWN,
    st.builds(Schedule, STRENGTHS, STRENGTHS) | SCHEDULES, WORDS, WORDS, st.none() | STRENGTHS,
)  # fmt: skip


def only(prompt):
    _, (tag,) = extract_tags(prompt)
    return tag


class TestExtract:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("<lora:ink>", LoraTag("ink", 1.0, 1.0)),
            ("<lora:ink:0.8>", LoraTag("ink", 0.8, 0.8)),
            ("<lora:ink:0.8:0.5>", LoraTag("ink", 0.8, 0.5)),
            ("<lora:ink:0.8:0.5:16>", LoraTag("ink", 0.8, 0.5, 16)),
            ("<lora:ink:te=0.5>", LoraTag("ink", 0.5, 0.5)),
            ("<lora:ink:unet=0.5>", LoraTag("ink", 1.0, 0.5)),
            ("<lora:ink:dyn=4>", LoraTag("ink", 1.0, 1.0, 4)),
            ("<lora:ink:unet=0.2:dyn=8:te=0.1>", LoraTag("ink", 0.1, 0.2, 8)),
            ("<lora:ink:1:unet=0.5>", LoraTag("ink", 1.0, 0.5)),
            ("<lora:ink:0.3:te=0.6>", LoraTag("ink", 0.6, 0.6)),
            ("<lora:ink:te=0.6:0.3>", LoraTag("ink", 0.6, 0.6)),
            ("<lora:ink:0>", LoraTag("ink", 0.0, 0.0)),
            ("<lora:ink:-0.7>", LoraTag("ink", -0.7, -0.7)),
            ("<lora:ink:+1.5>", LoraTag("ink", 1.5, 1.5)),
            ("<lora:ink:.5:5e-1>", LoraTag("ink", 0.5, 0.5)),
            ("<lora: ink : 0.8 >", LoraTag("ink", 0.8, 0.8)),
            ("<lyco:ink:0.8>", LoraTag("ink", 0.8, 0.8)),
            ("<LoRA:ink:TE=0.8>", LoraTag("ink", 0.8, 0.8)),
            ("<lora:my style v1.5 (final):1>", LoraTag("my style v1.5 (final)")),
            ("<lora:art/styles/ink.safetensors:1>", LoraTag("art/styles/ink.safetensors")),
            ("<lora:水墨 スタイル:1>", LoraTag("水墨 スタイル")),
            ("<lora:a=b:1>", LoraTag("a=b")),
            ("<lora:ink:1:mask=2:x y=3>", LoraTag("ink", unknown=("mask=2", "x y=3"))),
            ("<lora:ink:1:lbw=IN02>", LoraTag("ink", lbw="IN02")),
            ("<lora:ink:1:1:lbw=IN02:lbwe=ON>", LoraTag("ink", lbw="IN02", lbwe="ON")),
            ("<lora:ink:0.5:MIDD>", LoraTag("ink", 0.5, 0.5, lbw="MIDD")),
            ("<lora:ink:0.5:0.7:MIDD>", LoraTag("ink", 0.5, 0.7, lbw="MIDD")),
            ("<lora:ink:1:1,0,0.5>", LoraTag("ink", lbw="1,0,0.5")),
            ("<lora:ink:0.5:ROUT:0.7>", LoraTag("ink", 0.5, 0.5, lbw="ROUT", lbw_x=0.7)),
            ("<lora:ink:1:ALL:ATTNON>", LoraTag("ink", lbw="ALL", lbwe="ATTNON")),
            ("<lora:ink:1:other:lbw=ALL>", LoraTag("ink", lbw="ALL")),
        ],
    )
    def test_the_forms_of_a_tag(self, text, expected):
        prompt, tags = extract_tags(f"a cat{text}, ink")
        assert prompt == "a cat, ink"
        assert tags == (expected,)
        assert tags[0].text == text

    def test_duplicates_are_kept_in_order(self):
        _, tags = extract_tags("<lora:a:1><lora:b:1>x<lora:a:0.5><lora:a:1>")
        assert [(tag.name, tag.te_strength) for tag in tags] == [
            ("a", 1), ("b", 1), ("a", 0.5), ("a", 1),
        ]  # fmt: skip

    @pytest.mark.parametrize(
        "prompt", ["", "a cat", "a < b > c", "<3 :>", "<b>x</b>", "<lora>", "a:b"]
    )
    def test_text_without_tags_stays_as_it_is(self, prompt):
        assert extract_tags(prompt) == (prompt, ())

    def test_tags_of_other_kinds_never_reach_the_text_encoder_and_can_be_told(self):
        prompt = "a <hypernet:style:0.5>cat <lora:ink:1>"
        assert extract_tags(prompt)[0] == "a cat "
        assert foreign_tags(prompt) == ("<hypernet:style:0.5>",)

    @given(st.text())
    def test_any_text_is_read_or_refused_with_a_prompt_error(self, prompt):
        for text in (prompt, f"<lora:{prompt}>", f"<lora:{prompt}", f"<lora:x:{prompt}>"):
            try:
                rest, _ = extract_tags(text)
            except PromptError:
                continue
            assert "<lora:" not in rest

    @given(TAGS, st.text(st.characters(exclude_characters="<>")))
    def test_what_surrounds_a_tag_is_untouched(self, tag, text):
        assert extract_tags(f"{text}{format_tag(tag)}{text}") == (text + text, (tag,))


class TestRefusals:
    @pytest.mark.parametrize(
        ("tag", "found"),
        [
            ("<lora:ink:nan>", "te strength is 'nan'"),
            ("<lora:ink:inf>", "te strength is 'inf'"),
            ("<lora:ink:-Infinity>", "te strength is '-Infinity'"),
            ("<lora:ink:1e999>", "te strength is '1e999'"),
            ("<lora:ink:strong>", "te strength is 'strong'"),
            ("<lora:ink:0,8>", "te strength is '0,8'"),
            ("<lora:ink:>", "te strength is ''"),
            ("<lora:ink:1:0,8>", "unet strength is '0,8'"),
            ("<lora:ink:1:0.8x>", "unet strength is '0.8x'"),
            ("<lora:ink:1:nan>", "unet strength is 'nan'"),
            ("<lora:ink:1:0.5@>", "unet strength is '0.5@'"),
            ("<lora:ink:0@-1,1@1>", "te strength is '0@-1,1@1'"),
            ("<lora:ink:1:0,1@0.5>", "unet strength is '0,1@0.5'"),
            ("<lora:ink:1:hr=x>", "hr strength is 'x'"),
            ("<lora:ink:1:start=x>", "'start=x'"),
            ("<lora:ink:1:stop=1.5>", "'stop=1.5'"),
            ("<lora:ink:1:step=5>", "'step=5'"),
            ("<lora:ink:1:step=5-10:stop=3>", "'step=' beside"),
            ("<lora:ink:1:lbw=>", "'lbw=' is empty"),
            ("<lora:ink:1:lbw=ALL:x=y>", "'x=y'"),
            ("<lora:ink:1:ALL:ON:OFF>", "'OFF' behind the block weights"),
            ("<lora:ink:te=>", "te strength is ''"),
            ("<lora:ink:unet=x>", "unet strength is 'x'"),
            ("<lora:ink:1:1:0>", "dyn rank is '0'"),
            ("<lora:ink:1:1:-4>", "dyn rank is '-4'"),
            ("<lora:ink:1:1:1.5>", "dyn rank is '1.5'"),
            ("<lora:ink:dyn=٤>", "dyn rank is '٤'"),
            ("<lora:ink:dyn=" + "9" * 5000 + ">", "dyn rank is '999"),
            ("<lora:ink:1:1:4:9>", "4 values"),
            ("<lora:ink:te=1:te=0.5>", "'te=' is given twice"),
            ("<lora: :1>", "no name"),
            ("<lora::1>", "no name"),
        ],
    )
    def test_a_wrong_tag_is_named_with_what_is_wrong(self, tag, found):
        with pytest.raises(PromptError) as caught:
            extract_tags(f"a cat {tag}, <lora:fine:1>")
        assert caught.value.subject == tag
        assert found in caught.value.found
        assert caught.value.expected

    @pytest.mark.parametrize("prompt", ["a <lora:ink:0.8", "<lora:>", "a cat <lyco:x", "<LORA:ink"])
    def test_a_tag_without_an_end_is_not_read_as_words(self, prompt):
        with pytest.raises(PromptError, match="no end"):
            extract_tags(prompt)


class TestFormat:
    @given(TAGS)
    def test_a_formatted_tag_reads_back(self, tag):
        assert only(format_tag(tag)) == tag

    @pytest.mark.parametrize(
        ("tag", "text"),
        [
            (LoraTag("ink"), "<lora:ink:1>"),
            (LoraTag("ink", 0.8, 0.8), "<lora:ink:0.8>"),
            (LoraTag("ink", 0.8, 0.0), "<lora:ink:0.8:0>"),
            (LoraTag("ink", 1.0, 1.0, 8), "<lora:ink:1:1:8>"),
            (LoraTag("ink", 1.0, 1.0, unknown=("mask=X",)), "<lora:ink:1:mask=X>"),
            (LoraTag("ink", lbw="MIDD"), "<lora:ink:1:lbw=MIDD>"),
            (only("<lora:ink:step=5-0.5>"), "<lora:ink:1:start=5:stop=0.5>"),
            (only("<lora:ink:1:0@0;1~0.5:hr=1>"), "<lora:ink:1:0@0,1@0.5:hr=1>"),
            (only("<lora:ink:0@0,1@1:hrte=0:hrunet=0.5>"),
             "<lora:ink:0@0,1@1:hrte=0:hrunet=0.5>"),
            (only("<lora:ink:0.5@0,0.5@1>"), "<lora:ink:0.5>"),
        ],
    )
    def test_the_shortest_form_is_written(self, tag, text):
        assert format_tag(tag) == text

    @pytest.mark.parametrize("name", ["", " ", "a:b", "a>b", " a"])
    def test_a_name_that_would_not_read_back_is_refused(self, name):
        with pytest.raises(PromptError, match="cannot be written"):
            format_tag(LoraTag(name))
