"""A network beside a checkpoint: part by part, and how their families are related."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from loradex.compat.checkpoint_facts import CheckpointFacts
from loradex.compat.counting import Count, count
from loradex.compat.detect import Detection
from loradex.compat.facts import Fact, of_component
from loradex.compat.kin import are_kin
from loradex.compat.network import NetworkFacts
from loradex.keys.architecture import Architecture
from loradex.keys.resolve import NameTable, table_of

Relation = Literal["same", "kin", "other", "unknown"]
Answer = Literal["fits", "partly", "no_effect", "unknown", "broken"]


@dataclass(frozen=True)
class Match:
    """One part of a network and its counts against the checkpoint's part of that kind.

    `assumed` tells that the checkpoint's file has no such part, so that the family's usual one
    was taken; `there` that there is any part of that kind to count against.
    """

    name: str
    count: Count
    is_main: bool
    assumed: bool = False
    there: bool = True


@dataclass(frozen=True)
class Case:
    """Everything that a verdict weighs."""

    network: NetworkFacts
    detection: Detection
    checkpoint: CheckpointFacts
    matches: tuple[Match, ...]
    relation: Relation

    @property
    def main(self) -> Match:
        return self.matches[0]


def case_of(
    network: NetworkFacts, detection: Detection, checkpoint: CheckpointFacts
) -> Case:
    """The counts of every part, the main one first."""
    groups: dict[str, list[Fact]] = {}
    for fact in network.facts:
        groups.setdefault(fact.module.component, []).append(fact)
    main = _main_matches(network, groups, checkpoint.components)
    encoders = of_component(network.facts, "te")
    matches = main + _encoder_matches(network, encoders, checkpoint, first=not main)
    return Case(network, detection, checkpoint, tuple(matches),
                relation_of(network, detection, checkpoint.family))


def _main_matches(
    network: NetworkFacts, groups: Mapping[str, Sequence[Fact]],
    model: Mapping[str, Architecture],
) -> list[Match]:
    """The denoiser or motion module; a second expert is counted against a second one if any."""
    matches: list[Match] = []
    for kind in ("denoiser", "motion"):
        facts = [fact for one in _parts_of(kind) for fact in groups.get(one, ())]
        tables = {name: one for name, one in model.items() if one.component == kind}
        if facts:
            name = _seen_name(network, kind)
            tables_ = [table_of(one) for one in tables.values()]
            matches.append(Match(name, count(kind, facts, tables_), not matches,
                                 there=bool(tables)))
    return matches


def _parts_of(kind: str) -> tuple[str, ...]:
    return ("denoiser", "", "denoiser2") if kind == "denoiser" else (kind,)


def _seen_name(network: NetworkFacts, kind: str) -> str:
    if kind == "motion":
        return "motion_module"
    return next((name for name in network.components if name in ("unet", "transformer")),
                "transformer")


def _encoder_matches(
    network: NetworkFacts, facts: Sequence[Fact], checkpoint: CheckpointFacts, *, first: bool
) -> list[Match]:
    """One match per text encoder that the file has modules for."""
    groups: dict[str, list[Fact]] = {}
    for fact in facts:
        groups.setdefault(network.encoders[fact.module.component], []).append(fact)
    real, assumed = _encoders(checkpoint.components), _encoders(checkpoint.assumed)
    matches: list[Match] = []
    for name, group in groups.items():
        best = _best(group, real)
        usual = _best(group, assumed)
        taken = usual.usable > best.usable
        matches.append(Match(
            name, usual if taken else best, first and not matches, assumed=taken,
            there=bool(real) or bool(assumed),
        ))
    return sorted(matches, key=lambda match: -match.count.usable) if first else matches


def _encoders(components: Mapping[str, Architecture]) -> list[NameTable]:
    return [table_of(one) for one in components.values() if one.component.startswith("te")]


def _best(facts: Sequence[Fact], tables: Sequence[NameTable]) -> Count:
    """The counts against the encoder that has the most of these modules."""
    counts = [count("te", facts, [table]) for table in tables]
    return max(counts, key=lambda one: (one.usable, one.named),
               default=count("te", facts, []))


def relation_of(network: NetworkFacts, detection: Detection, family: str) -> Relation:
    """What the network's possible families are to a model's.

    The user's word does not make layers fit, so the families that admit the file are asked first.
    """
    ours = network.admission.ids or detection.candidates
    if not ours or not family:
        return "unknown"
    if family in detection.candidates and family in ours:
        return "same"
    return "kin" if any(are_kin(one, family) for one in ours) else "other"


def judge(count: Count, relation: Relation) -> Answer:
    """The answer for the main part of a network alone.

    A wrong shape, or a family that has nothing to do with the model's, refuses the network: 50 of
    192 layers of an SD 1.5 network fit SDXL by accident, and all of a Flux.1 network in diffusers'
    names fit HunyuanVideo. Kin have most layers in common.
    """
    if relation == "other" or not count.usable:
        return "no_effect"
    if count.full:
        return "fits"
    if relation == "unknown" and (count.misfits or 2 * count.usable < count.modules):
        return "no_effect"
    return "partly"
