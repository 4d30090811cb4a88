"""Which text encoder a file's modules are for: told by width, depth and names, not by digit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loradex.compat.facts import Fact, fits
from loradex.compat.family import Part
from loradex.keys import configs

OTHER_ENCODER = "text_encoder"

_PROJECTED = "CLIPTextModelWithProjection"
KNOWN_ENCODERS: tuple[tuple[str, Part], ...] = (
    ("clip_l", Part("te", _PROJECTED, configs.CLIP_L)),
    ("clip_h", Part("te", "CLIPTextModel", configs.CLIP_H)),
    ("clip_g", Part("te", _PROJECTED, configs.CLIP_G)),
    ("t5xxl", Part("te", "T5EncoderModel", configs.T5_XXL)),
)
"""The encoders that have a name of their own, the smaller of a kind first."""


def encoder_names(facts: Sequence[Fact]) -> Mapping[str, str]:
    """Component of the keys (`te2`) -> `clip_l`, `clip_h`, `clip_g`, `t5xxl` or `text_encoder`.

    The digit does not tell: `te2` is CLIP-G in SDXL's files and T5 in some for Flux.
    """
    groups: dict[str, list[Fact]] = {}
    for fact in facts:
        groups.setdefault(fact.module.component, []).append(fact)
    return {component: encoder_name(group) for component, group in groups.items()}


def encoder_name(facts: Sequence[Fact]) -> str:
    """The encoder that admits all of these modules, or most of them."""
    best, most = OTHER_ENCODER, len(facts) // 2
    for name, part in KNOWN_ENCODERS:
        count = sum(fits(fact, part.table) for fact in facts)
        if count == len(facts):
            return name
        if count > most:
            best, most = name, count
    return best
