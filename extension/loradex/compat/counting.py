"""How the modules of a network meet a model's table: named, of the right shape, missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loradex.compat.facts import Fact, facts_of, is_input_variant, of_component, weight_shape
from loradex.keys.architecture import Architecture
from loradex.keys.parse import ParsedFile
from loradex.keys.resolve import NameTable, shapes_fit, table_of
from loradex.keys.targets import Shape


@dataclass(frozen=True)
class Count:
    """How one component of a network meets the model: `modules` = `named` + `missing`.

    `fits` of the named ones have the right shape; `input_variants` differ only in the number of
    input channels, which is a variant of the same family.
    """

    component: str
    modules: int
    named: int
    fits: int
    input_variants: int
    first_misfit: str = ""
    first_missing: str = ""
    padded: int = 0
    """Of the input variants: those whose missing channels the engine leaves as they are."""

    @property
    def missing(self) -> int:
        return self.modules - self.named

    @property
    def misfits(self) -> int:
        """Named modules of an impossible shape."""
        return self.named - self.fits - self.input_variants

    @property
    def usable(self) -> int:
        """The modules that can be applied."""
        return self.fits + self.padded

    @property
    def full(self) -> bool:
        return self.usable == self.modules


def compare(
    parsed: ParsedFile, tensors: Mapping[str, Shape], model: Mapping[str, Architecture]
) -> tuple[Count, ...]:
    """The counts of a network against a model, first the denoiser, then the text encoders."""
    return compare_facts(facts_of(parsed, tensors), model)


def compare_facts(
    facts: Sequence[Fact], model: Mapping[str, Architecture]
) -> tuple[Count, ...]:
    """The same from a network's facts."""
    counts = []
    for component in ("denoiser", "motion", "te"):
        wanted = [table_of(one) for one in model.values() if one.component == component]
        found = of_component(facts, component)
        if found:
            counts.append(count(component, found, wanted))
    return tuple(counts)


def count(component: str, facts: Sequence[Fact], tables: Sequence[NameTable]) -> Count:
    """Counts modules against one part of a model, or against any of several."""
    named = fits = variants = padded = 0
    misfit = missing = ""
    for fact in facts:
        name = fact.module.name
        weights = [shape for table in tables if (shape := weight_shape(table, name))]
        if not weights:
            missing = missing or name
            continue
        named += 1
        extent = fact.extent
        if extent is None or any(shapes_fit(extent, weight) for weight in weights):
            fits += 1
        elif any(is_input_variant(fact, weight) for weight in weights):
            variants += 1
            padded += any(_is_padded(fact, weight) for weight in weights)
        elif not misfit:
            misfit = f"{name} is {list(extent)}, the model's is {list(weights[0])}"
    return Count(component, len(facts), named, fits, variants, misfit, missing, padded)


_WEIGHT_DEPENDENT = frozenset({"glora", "boft", "oft", "peft-oft", "peft-boft", "ia3"})


def _is_padded(fact: Fact, weight: Shape) -> bool:
    """A delta for 4 input channels on an inpainting model's 9 (networks/edits.py)."""
    description = fact.description
    extent = fact.extent
    depends = description.dora or description.type in _WEIGHT_DEPENDENT
    return extent is not None and (extent[1], weight[1]) == (4, 9) and not depends
