"""What metadata says of the base model, read in the order in which it can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from loradex.compat.families import FAMILIES


@dataclass(frozen=True)
class Claim:
    """One field's word on the base model; `family` is '' where it names none of the known ones."""

    field: str
    value: str
    family: str


# Trainers sometimes write a wrong modelspec.architecture, so sd-scripts' own field goes first.
_FIELDS = ("ss_base_model_version", "modelspec.architecture")


def claimed_family(metadata: Mapping[str, str]) -> Claim | None:
    """The most trusted claim, or None where the metadata has none."""
    for field in _FIELDS:
        value = metadata.get(field, "").strip()
        if value:
            return Claim(field, value, _family_of(value))
    v2 = metadata.get("ss_v2", "")
    if v2 == "True":
        return Claim("ss_v2", v2, "sd2")
    return None


def _family_of(value: str) -> str:
    """The family whose longest claim the value begins with."""
    text = value.lower().split("/")[0]
    found = [
        (len(claim), one.id) for one in FAMILIES for claim in one.claims if text.startswith(claim)
    ]
    return max(found)[1] if found else ""
