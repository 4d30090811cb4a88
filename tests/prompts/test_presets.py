"""Presets: the extension's own names and files, and one bad line never costs another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loradex.errors import PromptError
from loradex.prompts.elements import ElementRule, read_rule
from loradex.prompts.presets import BUILT_IN, joined, read_presets

FILE = """\
# my own
MINE:1,0,0.5,1,1,1,1,1,1,1,1,1
FILL:X,1,X+0.5,1,X-0.25,1,1,1,1,1,1,1
RAND:R,1,1,1,1,1,1,1,1,1,1,1
BAD:1,one,1,1,1,1,1,1,1,1,1,1
a comment without numbers
MIDD:0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0

ON:IN05-OUT05:attn:1,IN05-OUT05:attn2:0.5
BASE:attn:0.5

ALL0:::0
TURNED:NOT IN00-IN11:NOT attn1 proj:0.25
WRONG:IN05:attn:x
LAST:1,1,1,1,1,1,1,1,1,1,1,1
"""


def weights(name, presets=BUILT_IN, x=None):
    return presets.weights(name, "<lora:ink>", x)


@pytest.mark.parametrize(
    ("name", "ones"),
    [("NONE", ()), ("ALL", range(17)), ("INS", range(4)), ("IND", (0, 4, 5, 6)),
     ("INALL", range(7)), ("MIDD", (0, *range(4, 12))), ("OUTD", (0, *range(8, 12))),
     ("OUTS", (0, *range(12, 17))), ("OUTALL", (0, *range(8, 17)))],
)  # fmt: skip
def test_the_built_in_names_are_the_extensions(name, ones):
    assert weights(name) == tuple(1.0 if i in ones else 0.0 for i in range(17))


def test_a_file_adds_to_the_built_in_names_and_wins():
    presets = joined([read_presets(FILE, "lbwpresets.txt")])
    assert weights("MINE", presets)[:3] == (1, 0, 0.5)
    assert weights("mine", presets) == weights("MINE", presets)
    assert not any(weights("MIDD", presets))
    assert weights("INS", presets) == weights("INS")
    assert weights("LAST", presets) == (1,) * 12


def test_x_is_what_the_tag_says_or_one():
    presets = read_presets(FILE, "f")
    assert weights("FILL", presets)[:5] == (1, 1, 1.5, 1, 0.75)
    assert weights("FILL", presets, 0.5)[:5] == (0.5, 1, 1, 1, 0.25)
    assert weights("1,X,0.5", presets, 3.0) == (1, 3, 0.5)


def test_a_name_that_a_file_spoils_is_not_the_built_in_one_in_silence():
    with pytest.raises(PromptError, match="line 1 of f"):
        weights("MIDD", joined([read_presets("MIDD:1,x,1", "f")]))


@pytest.mark.parametrize(
    ("name", "said"),
    [("RAND", "line 4 of lbwpresets.txt: 'R' asks for a random weight"),
     ("BAD", "line 5 of lbwpresets.txt: 'one' is no weight"),
     ("MIDO", "Did you mean 'MIDD'"), ("1,U,1", "random weight"), ("1,,1", "'' is no weight")],
)  # fmt: skip
def test_what_cannot_be_used_is_named(name, said):
    with pytest.raises(PromptError) as caught:
        weights(name, joined([read_presets(FILE, "lbwpresets.txt")]))
    assert said in str(caught.value)
    assert caught.value.subject == "<lora:ink>"


def test_elemental_rules_of_a_file():
    presets = joined([read_presets(FILE, "elempresets.txt")])
    assert presets.elements("ON", "t") == (
        ElementRule(("IN05-OUT05",), ("attn",), 1), ElementRule(("IN05-OUT05",), ("attn2",), 0.5),
        ElementRule(("BASE",), ("attn",), 0.5))  # fmt: skip
    assert presets.elements("ALL0", "t") == (ElementRule((), (), 0),)
    assert presets.elements("attndeepoff", "t")[0].weight == 0
    with pytest.raises(PromptError, match="line 14 of elempresets"):
        presets.elements("WRONG", "t")


ORDER = ("BASE", *(f"IN{n:02}" for n in range(12)), "M00", *(f"OUT{n:02}" for n in range(12)))


@pytest.mark.parametrize(
    ("rule", "name", "block", "hit"),
    [
        ("IN05-OUT05:attn:1", "middle_block_1_attn2_to_q", "M00", True),
        ("OUT05-IN05:attn:1", "middle_block_1_attn2_to_q", "M00", True),
        ("IN05-OUT05:attn:1", "middle_block_1_proj_in", "M00", False),
        ("IN05-OUT05:attn:1", "input_blocks_1_attn2_to_q", "IN04", False),
        ("IN01 M00::1", "middle_block_1", "M00", True),
        (":attn1:1", "input_blocks_1_attn2_to_q", "IN04", False),
        ("NOT IN04::1", "input_blocks_1", "IN04", False),
        ("NOT IN04::1", "input_blocks_1", "IN05", True),
        ("IN04:NOT attn proj:1", "input_blocks_1_ff", "IN04", True),
        ("IN04:NOT attn proj:1", "input_blocks_1_proj_in", "IN04", False),
        ("encoder::1", "text_model_encoder_layers_0", "BASE", True),
    ],
)
def test_which_layers_a_rule_means(rule, name, block, hit):
    assert read_rule(rule).matches(name + block, ORDER) is hit


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=8))
def test_any_lines_leave_a_good_one_readable(lines):
    text = "\n".join([*lines, "GOOD:1,0,1", *lines])
    presets = read_presets(text, "f")
    assert "GOOD" in presets.lists or any("GOOD" in line for line in lines)
