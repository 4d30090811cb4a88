"""Which family a network is for: the families whose tables admit every one of its modules."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from loradex.compat.claims import Claim, claimed_family
from loradex.compat.facts import Fact, facts_of, fits, of_component
from loradex.compat.families import FAMILIES, Family
from loradex.keys.architecture import Architecture
from loradex.keys.parse import ParsedFile
from loradex.keys.resolve import NameTable
from loradex.keys.targets import Shape

_NOTHING: Mapping[str, str] = MappingProxyType({})
Confidence = Literal["high", "medium", "low"]


@dataclass(frozen=True)
class Detection:
    """The families that a network may be for.

    No candidate means unknown, several that the file fits each of them. `confidence` is high
    where shapes alone decide, medium where coverage or metadata had to, low otherwise.
    """

    candidates: tuple[str, ...]
    confidence: Confidence
    evidence: tuple[str, ...]

    @property
    def family(self) -> str:
        """The one candidate, or '' where there are none or several."""
        return self.candidates[0] if len(self.candidates) == 1 else ""


def detect_network(
    parsed: ParsedFile, tensors: Mapping[str, Shape], metadata: Mapping[str, str] = _NOTHING
) -> Detection:
    """The candidate families of a network, with the reasons."""
    facts = facts_of(parsed, tensors)
    modules = of_component(facts, "denoiser")
    encoders = of_component(facts, "te")
    if modules:
        admitted = [one for one in FAMILIES if _admits(one.tables()["denoiser"], modules)]
        what = f"all {len(modules)} denoiser modules"
    else:
        admitted = [one for one in FAMILIES if encoders and _admits_encoders(one, encoders)]
        what = f"all {len(encoders)} text-encoder modules"
    if not admitted:
        return _unknown(modules or encoders, metadata)
    evidence = [f"{what} fit {_titles(admitted)} by name and shape"]
    return _decide(admitted, modules, encoders, metadata, evidence)


def _admits(table: NameTable, facts: Sequence[Fact]) -> bool:
    return all(fits(fact, table) for fact in facts)


def _admits_encoders(one: Family, facts: Sequence[Fact]) -> bool:
    """Whether every text-encoder module fits one of the family's encoders."""
    tables = [table for name, table in one.tables().items() if name != "denoiser"]
    return all(any(fits(fact, table) for table in tables) for fact in facts)


def _unknown(facts: Sequence[Fact], metadata: Mapping[str, str]) -> Detection:
    """No candidate: say how near the nearest family comes, and what the metadata claims."""
    evidence = ["no known family admits all modules"]
    shares = [
        (sum(fits(fact, one.tables()["denoiser"]) for fact in facts), one.title)
        for one in FAMILIES
    ]
    count, title = max(shares, key=lambda share: share[0])
    if count:
        evidence.append(f"nearest: {title} with {count} of {len(facts)}")
    claim = claimed_family(metadata)
    if claim:
        evidence.append(f"{claim.field} says '{claim.value}'")
    return Detection((), "low", tuple(evidence))


Narrowing = Callable[[Sequence[Family], Sequence[Fact]], Sequence[Family]]


def _decide(
    admitted: Sequence[Family],
    modules: Sequence[Fact],
    encoders: Sequence[Fact],
    metadata: Mapping[str, str],
    evidence: list[str],
) -> Detection:
    confidence: Confidence = "high"
    left = list(admitted)
    if len(left) > 1 and modules and encoders:
        left = _narrowed(left, [one for one in left if _admits_encoders(one, encoders)],
                         "the text encoder's shapes", evidence)
    for reason, narrow in _NARROWINGS:
        if len(left) > 1 and modules:
            before = len(left)
            left = _narrowed(left, list(narrow(left, modules)), reason, evidence)
            confidence = "medium" if len(left) < before else confidence
    claim = claimed_family(metadata)
    if claim is not None:
        left, confidence = _weighed(left, confidence, claim, evidence)
    if len(left) > 1:
        confidence = "low"
    elif confidence == "high" and modules and _is_excerpt(left[0], modules):
        confidence = "medium"
    evidence.extend(f"{name} networks have the same layers" for name in left[0].lookalikes)
    return Detection(tuple(one.id for one in left), confidence, tuple(evidence))


def _weighed(
    left: list[Family], confidence: Confidence, claim: Claim, evidence: list[str]
) -> tuple[list[Family], Confidence]:
    """What a claim adds: it chooses between families that the shapes leave, and never more."""
    said = f"{claim.field} says '{claim.value}'"
    chosen = [one for one in left if one.id == claim.family]
    if chosen:
        evidence.append(said)
        return (chosen, "medium") if len(left) > 1 else (left, confidence)
    if claim.family:
        evidence.append(f"{said}, against the shapes")
        return left, "low"
    evidence.append(f"{said}, which is no family known here")
    return left, "medium" if confidence == "high" else confidence


def _narrowed(
    before: list[Family], after: list[Family], reason: str, evidence: list[str]
) -> list[Family]:
    if not after or len(after) == len(before):
        return before
    evidence.append(f"{reason}: {_titles(after)}")
    return after


def _titles(families: Sequence[Family]) -> str:
    return " or ".join(one.title for one in families)


_FEW = 0.5  # below this share of the kinds that it touches, a file says little of its model
_NUMBER = re.compile(r"\d+")


def _is_excerpt(one: Family, facts: Sequence[Fact]) -> bool:
    return _coverage(one.tables()["denoiser"], facts, _numberless) < _FEW


def _numberless(name: str) -> str:
    return _NUMBER.sub("N", name)


def _covered(families: Sequence[Family], facts: Sequence[Fact]) -> Sequence[Family]:
    """The families of which the file has every module of the kinds that it touches.

    A trainer that touches one `attn1.to_q` touches them all, so a file for the smaller of two
    models covers that one in full and the larger one in part.
    """
    return _in_full(families, facts, _numberless)


def _covered_by_layer(families: Sequence[Family], facts: Sequence[Fact]) -> Sequence[Family]:
    """The same without telling numbered layers apart.

    A file for SD 3.5 Medium that has `attn.to_q` would have `attn2.to_q` too.
    """
    return _in_full(families, facts, lambda name: _NUMBER.sub("", name))


def _in_full(
    families: Sequence[Family], facts: Sequence[Fact], kind: Callable[[str], str]
) -> Sequence[Family]:
    return [one for one in families if _coverage(one.tables()["denoiser"], facts, kind) == 1]


def _coverage(table: NameTable, facts: Sequence[Fact], kind: Callable[[str], str]) -> float:
    """The share of the modules of the touched kinds that the file touches."""
    touched = {
        piece.leaf.diffusers.module for fact in facts for piece in table.find(fact.module.name)
    }
    kinds = {kind(name) for name in touched}
    modules = {leaf.diffusers.module for leaf in table.architecture.leaves}
    return len(touched) / max(1, sum(kind(name) in kinds for name in modules))


def _exact(families: Sequence[Family], facts: Sequence[Fact]) -> Sequence[Family]:
    """The families whose weights have the deltas' number of dimensions, 1x1 kernels included."""
    return [
        one for one in families
        if all(_same_dimensions(fact, one.tables()["denoiser"]) for fact in facts)
    ]


def _same_dimensions(fact: Fact, table: NameTable) -> bool:
    weight, extent = table.shape(fact.module.name), fact.description.shape
    return weight is None or extent is None or len(extent) == len(weight)


_NARROWINGS: tuple[tuple[str, Narrowing], ...] = (
    ("all blocks are there of", _covered),
    ("no layer is left out of", _covered_by_layer),
    ("the 1x1 kernels are those of", _exact),
)


@dataclass(frozen=True)
class ModelDescription:
    """What a loaded model is called in messages; `family` is '' for a model of no known family."""

    family: str
    title: str
    feature: str
    value: int

    def __str__(self) -> str:
        return f"{self.title} ({self.feature} {self.value})" if self.feature else self.title


OTHER = "another base model"


def describe_model(components: Mapping[str, Architecture]) -> ModelDescription:
    """The family of a loaded model, told by its denoiser's table."""
    denoiser = next(
        (one for one in components.values() if one.component == "denoiser"), None
    )
    if denoiser is None:
        return ModelDescription("", OTHER, "", 0)
    signature = _signature(denoiser)
    for one in FAMILIES:
        table = one.tables()["denoiser"].architecture
        if table.id == denoiser.id and _signature(table) == signature:
            return ModelDescription(one.id, one.title, one.feature, table.features[one.feature])
    feature = next(iter(denoiser.features), "")
    return ModelDescription("", OTHER, feature, denoiser.features.get(feature, 0))


_OPTIONAL = ("guidance_embedder", "cond_proj")


def _signature(architecture: Architecture) -> Mapping[str, tuple[int, ...]]:
    """Name -> shape without what differs between variants of one family.

    These are the input's channels and the guidance embedding (Flux schnell, LCM).
    """
    return {
        leaf.diffusers.key: leaf.shape[:1] if leaf.diffusers.module in ("conv_in", "x_embedder")
        else leaf.shape
        for leaf in architecture.leaves
        if not any(part in leaf.diffusers.module for part in _OPTIONAL)
    }
