"""Elemental weights: `IN05-OUT05:attn:0.5` sets all layers whose names have `attn` in blocks.

The syntax is sd-webui-lora-block-weight's (`lbwe=`): blocks, words of a layer's name, weight. Both
lists are divided by spaces, `NOT` in front turns one round, an empty one means all. A rule is
stronger than the block weights and than the rules before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loradex.prompts.curves import finite

_COLONS = 2


@dataclass(frozen=True)
class ElementRule:
    """One rule; `blocks` and `words` hold what was written, `NOT` included."""

    blocks: tuple[str, ...]
    words: tuple[str, ...]
    weight: float

    def matches(self, text: str, order: Sequence[str]) -> bool:
        """Whether a layer is meant; `text` is its name with its block's behind it."""
        return _hit(_spread(self.blocks, order), text) and _hit(self.words, text)

    def unknown(self, order: Sequence[str]) -> str:
        """A range that this model's blocks do not have, or nothing."""
        for term in self.blocks:
            ends = term.split("-")
            if len(ends) > 1 and (len(ends) > _COLONS or not set(ends) <= set(order)):
                return term
        return ""


def read_rule(text: str) -> ElementRule | None:
    """One rule; `None` where the text is none."""
    blocks, words, weight = (part.strip() for part in (*text.split(":"), "", "", "")[:3])
    value = finite(weight)
    if text.count(":") != _COLONS or value is None:
        return None
    return ElementRule(tuple(blocks.split()), tuple(words.split()), value)


def _spread(terms: Sequence[str], order: Sequence[str]) -> list[str]:
    """Ranges as the names that they go over, in either direction."""
    found: list[str] = []
    for term in terms:
        first, dash, last = term.partition("-")
        if dash and first in order and last in order:
            low, high = sorted((order.index(first), order.index(last)))
            found += order[low : high + 1]
        else:
            found.append(term)
    return found


def _hit(terms: Sequence[str], text: str) -> bool:
    turned = bool(terms) and terms[0] == "NOT"
    wanted = terms[1:] if turned else terms
    if not wanted:
        return True
    return any(term in text for term in wanted) != turned
