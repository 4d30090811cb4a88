"""Which base models are made of the same layers, so that a network of one fits the other."""

from __future__ import annotations

from collections.abc import Sequence

_KIN: tuple[frozenset[str], ...] = (
    frozenset({"sdxl", "ssd-1b", "vega", "koala", "kolors"}),
    frozenset({"flux1", "chroma"}),
    frozenset({"sd3-medium", "sd3.5-medium"}),
    frozenset({"hunyuan-video", "framepack"}),
)
"""Families trained from one another, or on the same layers (Kolors)."""

_LESSER = {"kolors": "sdxl", "chroma": "flux1", "framepack": "hunyuan-video", "svd": "sd2"}
"""A family whose networks look like those of another that has a hundred times as many."""


def are_kin(first: str, second: str) -> bool:
    """Whether a network of one does on the other something like what it was trained for."""
    return first == second or any(first in kin and second in kin for kin in _KIN)


def likeliest(candidates: Sequence[str]) -> str:
    """The one candidate, or the one of which all others are the rarer lookalikes, or ''."""
    if len(candidates) == 1:
        return candidates[0]
    greater = {_LESSER.get(one, one) for one in candidates}
    return greater.pop() if len(greater) == 1 and greater <= set(candidates) else ""
