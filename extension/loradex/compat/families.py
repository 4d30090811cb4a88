"""All base families that are known; adding one is an entry in a file of `known`."""

from __future__ import annotations

from collections.abc import Mapping

from loradex.compat.family import Family, Part
from loradex.compat.known import (
    anima,
    animatediff,
    auraflow,
    cog,
    demo,
    flux,
    hidream,
    hunyuan_dit,
    hunyuan_video,
    krea,
    ltx,
    lumina,
    mochi,
    pixart,
    qwen_image,
    sana,
    sd3,
    stable_diffusion,
    wan,
)

__all__ = ["FAMILIES", "Family", "Part", "families_of", "family"]

FAMILIES: tuple[Family, ...] = (
    *stable_diffusion.FAMILIES,
    *sd3.FAMILIES,
    *flux.FAMILIES,
    *animatediff.FAMILIES,
    *pixart.FAMILIES,
    *hunyuan_dit.FAMILIES,
    *auraflow.FAMILIES,
    *lumina.FAMILIES,
    *sana.FAMILIES,
    *hidream.FAMILIES,
    *cog.FAMILIES,
    *ltx.FAMILIES,
    *mochi.FAMILIES,
    *wan.FAMILIES,
    *hunyuan_video.FAMILIES,
    *qwen_image.FAMILIES,
    *anima.FAMILIES,
    *krea.FAMILIES,
    *demo.FAMILIES,
)
"""All known families, the older first (docs/adding-a-family.md)."""

_BY_ID: Mapping[str, Family] = {
    key: one for one in reversed(FAMILIES) for key in (one.key, one.id)
}


def family(key: str) -> Family:
    """The family of that key (`flux2/klein-4b`), or the first one of that id (`flux2`)."""
    return _BY_ID[key]


def families_of(family_id: str) -> tuple[Family, ...]:
    """Every entry of one id: its sizes and variants."""
    return tuple(one for one in FAMILIES if one.id == family_id)
