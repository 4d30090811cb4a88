"""What metadata and names say of the base model, read in the order in which it can be trusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from loradex.compat.families import FAMILIES
from loradex.compat.vocabulary import (
    Base,
    base_of_name,
    civitai_base,
    edition_of_word,
    known_base,
)


@dataclass(frozen=True)
class Claim:
    """One field's word on the base model; `family` is '' where it names none of the known ones.

    `variant` is the size or the sub-family that it names. `weak` claims are names of files: they
    choose between answers that shapes leave, and never speak against them.
    """

    field: str
    value: str
    family: str
    variant: str = ""
    weak: bool = False

    def __str__(self) -> str:
        return f"{self.field} says '{self.value}'"


# Trainers sometimes write a wrong modelspec.architecture, so sd-scripts' own field goes first.
_FIELDS = ("ss_base_model_version", "modelspec.architecture")
_HASHES = ("ss_new_sd_model_hash", "ss_sd_model_hash")
_MODEL_NAMES = ("ss_sd_model_name", "ss_base_model_name")


def metadata_claims(metadata: Mapping[str, str]) -> tuple[Claim, ...]:
    """Everything that a file's metadata says of its base, the most trusted first."""
    return tuple(_claims(metadata))


def _claims(metadata: Mapping[str, str]) -> Iterator[Claim]:
    for field in _HASHES:
        known = known_base(metadata.get(field, ""))
        if known:
            name, base = known
            yield Claim(field, name, base.family, base.variant)
    for field in _FIELDS:
        value = metadata.get(field, "").strip()
        if value:
            yield read_claim(field, value)
    if metadata.get("ss_v2") == "True":
        yield Claim("ss_v2", "True", "sd2")
    for field in _MODEL_NAMES:
        value = metadata.get(field, "").strip()
        if value:
            yield name_claim(field, value)


def claimed_family(metadata: Mapping[str, str]) -> Claim | None:
    """The most trusted claim, or None where the metadata has none."""
    return next((claim for claim in metadata_claims(metadata) if not claim.weak), None)


def read_claim(field: str, value: str) -> Claim:
    """A field's word: one of Civitai's names, or the beginning of what trainers write."""
    base = civitai_base(value) or _by_beginning(value)
    return Claim(field, value, base.family, base.variant)


def name_claim(field: str, name: str) -> Claim:
    """What the name of a file, else of a folder that it is in, hints at; '' for nothing."""
    parts = name.replace("\\", "/").split("/")
    for part in reversed(parts):
        base = base_of_name(part)
        if base is not None:
            return Claim(field, part, base.family, base.variant, weak=True)
    return Claim(field, parts[-1], "", weak=True)


@lru_cache(maxsize=512)
def _by_beginning(value: str) -> Base:
    """The family whose longest claim the value begins with.

    Kept, since thousands of files say one of a few things: a first listing would spend a tenth of
    its time here. Where entries of one family share that claim, the value names no size.
    """
    text = value.lower().split("/")[0]
    found = [
        (len(claim), one) for one in FAMILIES for claim in one.claims if text.startswith(claim)
    ]
    longest = max((length for length, _ in found), default=0)
    best = [one for length, one in found if length == longest]
    if not best:
        return Base("")
    alone = len(best) == 1 and _is_one_of_several(best[0].id)
    return Base(best[0].id, best[0].variant if alone else edition_of_word(text))


def _is_one_of_several(family_id: str) -> bool:
    return sum(one.id == family_id for one in FAMILIES) > 1
