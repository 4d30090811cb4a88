"""Whether a network fits a checkpoint: an answer, its reasons, and the counts behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from loradex.compat import reasons
from loradex.compat.admission import Confidence
from loradex.compat.checkpoint_facts import CheckpointFacts
from loradex.compat.detect import Detection
from loradex.compat.matching import Answer, Case, Match, case_of, judge
from loradex.compat.network import NetworkFacts

__all__ = ["Answer", "ComponentVerdict", "Verdict", "verdict"]


@dataclass(frozen=True)
class ComponentVerdict:
    """One part of a network: `total` = `named` + `missing`; `shape_ok` of the named ones fit."""

    named: int
    shape_ok: int
    missing: int
    total: int
    applied: bool
    reason: str = ""


@dataclass(frozen=True)
class Verdict:
    """Whether a network fits a checkpoint.

    `fits`: every module is applied. `partly`: some modules or parts are not there; `components`
    say what is applied all the same and what only when it is forced. `no_effect`: it is for
    another base model, or no network, and is refused. `broken`: the file itself cannot be used.
    `unknown`: the checkpoint does not tell.
    """

    answer: Answer
    confidence: Confidence
    reasons: tuple[str, ...]
    components: Mapping[str, ComponentVerdict] = field(default_factory=dict)


def verdict(
    network: NetworkFacts, detection: Detection, checkpoint: CheckpointFacts, *,
    force: bool = False,
) -> Verdict:
    """The verdict on a network for a checkpoint; from headers alone, in a millisecond or two."""
    early = _without_counting(network, checkpoint)
    if early is not None:
        return early
    case = case_of(network, detection, checkpoint)
    judged = judge(case.main.count, case.relation)
    applied = _applied(case, judged, force=force)
    answer = _whole(judged, case, applied, force=force)
    if answer == "no_effect" and _says_nothing(case):
        return Verdict("unknown", "unknown", (reasons.unlike(case),),
                       {match.name: _component(match, case, judged, applied)
                        for match in case.matches})
    return Verdict(
        answer, _confidence(answer, case), reasons.of_case(case, answer, applied, force=force),
        {match.name: _component(match, case, judged, applied) for match in case.matches},
    )


def _without_counting(network: NetworkFacts, checkpoint: CheckpointFacts) -> Verdict | None:
    """The answer where there is nothing to count."""
    if network.parsed.not_a_lora:
        return Verdict("no_effect", "high", (reasons.not_a_network(network.foreign),))
    if not network.facts:
        return Verdict("broken", "high", (reasons.NO_MODULES,))
    if len(network.problems) == len(network.facts):
        return Verdict("broken", "high", (reasons.all_broken(network.problems),))
    if checkpoint.not_a_checkpoint or not checkpoint.components:
        return Verdict("unknown", "unknown", (reasons.no_checkpoint(checkpoint),))
    return None


def _says_nothing(case: Case) -> bool:
    """Whether the checkpoint has a few names of its own and the network has none of them."""
    checkpoint = case.checkpoint
    return not checkpoint.family and checkpoint.confidence == "low" and not case.main.count.named


def _applied(case: Case, judged: Answer, *, force: bool) -> Mapping[str, bool]:
    """Which parts are applied: without the main part nothing is, unless it is forced."""
    refused = judged == "no_effect" or case.main.count.misfits > 0
    return {
        match.name: bool(match.count.usable) and (
            force or not (refused or match.count.misfits)
        )
        for match in case.matches
    }


def _whole(judged: Answer, case: Case, applied: Mapping[str, bool], *, force: bool) -> Answer:
    if judged == "no_effect":
        return "partly" if force and any(applied.values()) else "no_effect"
    complete = all(match.count.full and applied[match.name] for match in case.matches)
    return "fits" if complete else "partly"


_RANKED: tuple[Confidence, ...] = ("unknown", "low", "medium", "high")


def _confidence(answer: Answer, case: Case) -> Confidence:
    """How sure the answer is: a count is a fact, only what it means may be in doubt."""
    count = case.main.count
    if answer == "no_effect" and (count.misfits or not count.named):
        return "high"
    if all(fact.extent is None for fact in case.network.facts):
        return "low"  # nothing but names
    if case.relation != "same":
        return "medium"
    if answer == "fits":
        sure: Confidence = "high" if case.detection.family == case.checkpoint.family else "medium"
        return min(sure, case.checkpoint.confidence, key=_RANKED.index)
    return min(case.detection.confidence, case.checkpoint.confidence, key=_RANKED.index)


def _component(
    match: Match, case: Case, judged: Answer, applied: Mapping[str, bool]
) -> ComponentVerdict:
    count = match.count
    reason = reasons.of_component(match, case, refused=judged == "no_effect",
                                  applied=applied[match.name])
    return ComponentVerdict(
        count.named, count.fits + count.padded, count.missing, count.modules,
        applied[match.name], reason,
    )
