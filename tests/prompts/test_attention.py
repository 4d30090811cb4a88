"""Attention weights: the documented examples, and what holds for any text."""

import itertools
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loradex.prompts.attention import BREAK, parse_attention

LESS = 1 / 1.1


def weights(text):
    return {words: weight for words, weight in parse_attention(text) if words.strip()}


# The first group stands in AUTOMATIC1111's own documentation of its prompt syntax.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("normal text", [("normal text", 1.0)]),
        ("an (important) word", [("an ", 1.0), ("important", 1.1), (" word", 1.0)]),
        ("(unbalanced", [("unbalanced", 1.1)]),
        (r"\(literal\]", [("(literal]", 1.0)]),
        ("(unnecessary)(parens)", [("unnecessaryparens", 1.1)]),
        (
            "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
            [
                ("a ", 1.0), ("house", 1.573), (" ", 1.1), ("on", 1.0), (" a ", 1.1),
                ("hill", 0.55), (", sun, ", 1.1), ("sky", 1.4641), (".", 1.1),
            ],
        ),
        ("", [("", 1.0)]),
        ("()", [("", 1.0)]),
        ("((word))", [("word", 1.21)]),
        ("[word]", [("word", LESS)]),
        ("[[word]]", [("word", LESS * LESS)]),
        ("[unbalanced", [("unbalanced", LESS)]),
        ("(a:0)", [("a", 0.0)]),
        ("(a:-0.5)", [("a", -0.5)]),
        ("(a:+.5)", [("a", 0.5)]),
        ("(a : 1.5 )", [("a ", 1.5)]),
        ("(a:1.5)(b:1.5)", [("ab", 1.5)]),
        ("((a:1.5) b)", [("a", 1.65), (" b", 1.1)]),
        ("(a b:1.5", [("a b:1.5", 1.1)]),
        ("a:1.5)", [("a:1.5)", 1.0)]),
        ("(a:b)", [("a:b", 1.1)]),
        ("(a:)", [("a:", 1.1)]),
        ("10:30", [("10:30", 1.0)]),
        ("a)b]c", [("a)b]c", 1.0)]),
        ("[a:1.5]", [("a:1.5", LESS)]),
        ("[a:1.5)", [("a:1.5)", LESS)]),
        ("([a)]", [("a", 1.1 * LESS)]),
        ("(a [b) c]", [("a ", 1.1), ("b", 1.1 * LESS), (" c", LESS)]),
        (r"a \\ b", [("a \\ b", 1.0)]),
        (r"\[a\](b)", [("[a]", 1.0), ("b", 1.1)]),
        (r"(a\))", [("a)", 1.1)]),
        (r"one\two", [("onetwo", 1.0)]),
        ("end\\", [("end", 1.0)]),
        ("(a:1.2.3)", [("a:1.2.3", 1.1)]),
        ("(a:.)", [("a:.", 1.1)]),
        ("a:1.2.3) b", [("a:1.2.3) b", 1.0)]),
        (f"(a:{'9' * 400})", [(f"a:{'9' * 400}", 1.1)]),
    ],
)  # fmt: skip
def test_what_a_prompt_means(text, expected):
    found = parse_attention(text)
    assert [words for words, _ in found] == [words for words, _ in expected]
    assert [weight for _, weight in found] == pytest.approx([weight for _, weight in expected])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a BREAK b", [("a", 1.0), BREAK, ("b", 1.0)]),
        ("a\nBREAK\nb", [("a", 1.0), BREAK, ("b", 1.0)]),
        ("BREAK", [("", 1.0), BREAK, ("", 1.0)]),
        ("a BREAK BREAK b", [("a", 1.0), BREAK, ("", 1.0), BREAK, ("b", 1.0)]),
        ("BREAKFAST, a break", [("BREAKFAST, a break", 1.0)]),
        ("(a BREAK b:1.5) c", [("a", 1.5), BREAK, ("b", 1.5), (" c", 1.0)]),
        ("(a) BREAK (b)", [("a", 1.1), ("", 1.0), BREAK, ("", 1.0), ("b", 1.1)]),
        ("(BREAK b:-1)", [("", -1.0), BREAK, ("b", -1.0)]),
    ],
)
def test_a_break_is_a_break_also_inside_brackets(text, expected):
    assert parse_attention(text) == expected


PLAIN = st.text(st.characters(exclude_characters="()[]\\:", exclude_categories=["Cs"])).filter(
    lambda text: "BREAK" not in text
)
PROMPTS = st.text(st.sampled_from("ab ()[]\\:1.5-,") | st.characters())


@given(PROMPTS)
def test_any_text_is_pieces_with_finite_weights_and_no_equal_neighbours(text):
    pieces = parse_attention(text)
    assert pieces
    assert all(math.isfinite(weight) for _, weight in pieces)
    for one, two in itertools.pairwise(pieces):
        assert BREAK in (one, two) or one[1] != two[1]


@given(PLAIN)
def test_text_without_brackets_keeps_every_character_and_weighs_one(text):
    assert parse_attention(text) == [(text, 1.0)]


@given(st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: "BREAK" not in text))
def test_escaped_text_is_that_text(text):
    escaped = re.sub(r"([()\[\]\\])", r"\\\1", text)
    assert parse_attention(escaped) == [(text, 1.0)]


@given(PLAIN.filter(bool), st.integers(0, 6), st.integers(0, 6))
def test_brackets_multiply(text, more, less):
    ((_, weight),) = parse_attention("(" * more + "[" * less + text + "]" * less + ")" * more)
    assert weight == pytest.approx(1.1 ** (more - less))


@given(PLAIN.filter(bool), st.floats(-10, 10).map(lambda value: round(value, 3)))
def test_a_number_is_the_weight(text, number):
    assert parse_attention(f"({text}:{number:.3f})") == [(text, number)]


def test_many_open_brackets_cost_no_time():
    assert weights("(" * 20_000 + "a")
