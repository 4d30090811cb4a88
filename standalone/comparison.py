"""Several sets of networks beside each other: one prompt, one noise, one picture for each set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loradex.errors import InputError
from loradex.prompts.tags import LoraTag, extract_tags

BASELINE = "without"
MOST = 64


@dataclass(frozen=True)
class Variant:
    """One picture of a comparison: the networks that it has beside the prompt's own."""

    label: str
    tags: tuple[LoraTag, ...]
    text: str = ""
    """The tags as they would stand in a prompt."""


def read_variants(texts: Sequence[str], *, baseline: bool) -> tuple[Variant, ...]:
    """One variant per text, `NAME:STRENGTH` or whole tags; the baseline, without any, comes first.

    Raises:
        InputError: there is nothing to compare, or a text has words beside its tags.
        PromptError: a tag cannot be read.
    """
    found = [Variant(BASELINE, ())] if baseline else []
    found += [_read(text.strip()) for text in texts]
    if len(found) < 2 or len(found) > MOST:
        raise InputError(
            "compare", f"{len(found)} pictures", f"2 to {MOST}, the one without included",
            "Give --lora NAME:STRENGTH for each.",
        )
    return tuple(found)


def _read(text: str) -> Variant:
    whole = text if "<" in text else f"<lora:{text}>"
    rest, tags = extract_tags(whole)
    if rest.strip() or not tags:
        raise InputError(
            f"compare {text}", f"'{rest.strip() or text}' is no LoRA",
            "NAME, NAME:STRENGTH or tags such as '<lora:a:1> <lora:b:0.5>'",
            "Words belong into the prompt, which all pictures share.",
        )
    return Variant(text, tags, whole)
