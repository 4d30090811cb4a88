"""The Insert button: a tag goes in, changes, and comes out again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from loradex.prompts.tags import extract_tags

from standalone.ui.prompt import change_tag, next_change

names = st.text(st.characters(codec="utf-8", exclude_characters="<>:\r\n"), min_size=1).filter(
    lambda name: name == name.strip() and name.strip()
)
words = st.text(st.characters(codec="utf-8", exclude_characters="<>")).map(str.strip)
strengths = st.integers(-40, 40).map(lambda steps: steps / 20)


@given(words, names, strengths)
def test_inserting_twice_leaves_the_prompt_as_it_was(
    prompt: str, name: str, strength: float
) -> None:
    once = change_tag(prompt, name, strength)
    assert [tag.name for tag in extract_tags(once)[1]] == [name]
    assert change_tag(once, name, strength).split() == prompt.split()


@given(words, names, strengths, strengths)
def test_another_strength_changes_the_tag_in_place(
    prompt: str, name: str, first: float, second: float
) -> None:
    changed = change_tag(change_tag(prompt, name, first) + " and more", name, second)
    tags = extract_tags(changed)[1]
    if first == second:
        assert tags == ()
    else:
        assert [(tag.name, tag.unet_strength) for tag in tags] == [(name, second)]
        assert changed.endswith(" and more")


def test_the_button_says_what_it_would_do() -> None:
    prompt = "a cat <lora:ink:0.8>"
    assert next_change(prompt, "ink", 0.8) == "Remove"
    assert next_change(prompt, "ink", 0.5) == "Update"
    assert next_change(prompt, "other", 0.8) == "Insert"
    assert next_change("a cat <lora:ink:0.8:0.5>", "ink", 0.8) == "Update"


def test_a_prompt_that_cannot_be_read_is_only_added_to() -> None:
    assert change_tag("a cat <lora:ink", "ink", 1) == "a cat <lora:ink <lora:ink:1>"
