"""What a loaded model is called: the family whose tables are the model's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from loradex.compat.facts import INPUT_LAYERS
from loradex.compat.families import FAMILIES, Family
from loradex.keys.architecture import Architecture
from loradex.keys.derive import DERIVATIONS


@dataclass(frozen=True)
class ModelDescription:
    """What a loaded model is called in messages; `family` is '' for a model of no known family."""

    family: str
    title: str
    feature: str
    value: int
    variant: str = ""

    def __str__(self) -> str:
        return f"{self.title} ({self.feature} {self.value})" if self.feature else self.title


OTHER = "another base model"


def describe_model(components: Mapping[str, Architecture]) -> ModelDescription:
    """The family of a loaded model, told by its main part's table."""
    main = next(
        (one for one in components.values() if one.component in ("denoiser", "motion")), None
    )
    if main is None:
        return ModelDescription("", OTHER, "", 0)
    one = family_of(main)
    if one is not None:
        return ModelDescription(one.id, one.title, one.feature, one.feature_value, one.variant)
    feature = next(iter(main.features), "")
    return ModelDescription("", OTHER, feature, main.features.get(feature, 0))


@lru_cache(maxsize=64)
def family_of(main: Architecture) -> Family | None:
    """The family whose main part has the names and shapes of this one."""
    signature = _signature(main)
    first = next(iter(signature), "").replace(".", "_")
    for one in FAMILIES:
        known = DERIVATIONS.get(one.parts[0].class_name)
        opens = known is not None and first.startswith(known.openings)
        if opens and _table(one).id == main.id and signature in _signatures(one):
            return one
    return None


def _table(one: Family) -> Architecture:
    return one.parts[0].table.architecture


def _signatures(one: Family) -> Iterator[Mapping[str, tuple[int, ...]]]:
    """Those of the models of a family: of its table, and of the editions that lack layers."""
    whole = _signature(_table(one))
    yield whole
    for edition in one.editions:
        if edition.lacks:
            yield {
                name: shape for name, shape in whole.items()
                if not name.replace(".", "_").startswith(edition.lacks)
            }


# `timestep_embedder_r` is of models that were made to need few steps; Anima's adapter is a part
# of its own in diffusers.
_OPTIONAL = ("guidance_embedder", "cond_proj", "timestep_embedder_r", "llm_adapter")


@lru_cache(maxsize=256)
def _signature(architecture: Architecture) -> Mapping[str, tuple[int, ...]]:
    """Name -> shape without what differs between variants of one family.

    These are the input's channels and the guidance embedding (Flux schnell, LCM).
    """
    return {
        leaf.diffusers.key: leaf.shape[:1]
        if leaf.diffusers.module.replace(".", "_") in INPUT_LAYERS else leaf.shape
        for leaf in architecture.leaves
        if not any(part in leaf.diffusers.module for part in _OPTIONAL)
    }
