"""Puts a LoRA's tag into a prompt, changes it there, and takes it out again."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Literal

from loradex.errors import PromptError
from loradex.prompts.tags import LoraTag, extract_tags, format_tag

Change = Literal["Insert", "Update", "Remove"]


def next_change(prompt: str, name: str, strength: float) -> Change:
    """What `change_tag` would do now; what the button says."""
    tag = _find(prompt, name)
    if tag is None:
        return "Insert"
    same = _with(tag, strength) == tag
    return "Remove" if same else "Update"


def change_tag(prompt: str, name: str, strength: float) -> str:
    """Insert the tag; with another strength change it; with the same one remove it."""
    old = _find(prompt, name)
    if old is None:
        return f"{prompt.rstrip()} {format_tag(LoraTag(name, strength, strength))}".lstrip()
    if next_change(prompt, name, strength) == "Update":
        return prompt.replace(old.text, format_tag(_with(old, strength)))
    return re.sub(r"[ \t]{2,}", " ", prompt.replace(old.text, "")).strip()


def _with(tag: LoraTag, strength: float) -> LoraTag:
    """The tag with one strength for everything in the first pass; what else it says stays."""
    schedule = tag.schedule and replace(tag.schedule, te=strength, unet=strength)
    return replace(tag, te_strength=strength, unet_strength=strength, schedule=schedule)


def _find(prompt: str, name: str) -> LoraTag | None:
    """The first tag of that name; a prompt that cannot be read has none."""
    try:
        _, tags = extract_tags(prompt)
    except PromptError:
        return None
    return next((tag for tag in tags if tag.name == name), None)
