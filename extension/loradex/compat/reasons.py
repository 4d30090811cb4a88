"""The reasons of a verdict in full sentences, the same on every surface."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from loradex.compat.admission import titles
from loradex.compat.checkpoint_facts import CheckpointFacts
from loradex.compat.counting import Count
from loradex.compat.families import Family, families_of
from loradex.compat.matching import Answer, Case, Match
from loradex.compat.model import OTHER, ModelDescription, describe_model
from loradex.compat.refusal import families_of_detection, refusal
from loradex.compat.refusal import not_a_network as no_network_error
from loradex.compat.wording import with_article
from loradex.errors import LoradexError

NO_MODULES = "It has no module that any network type could read. Download it again."
_CALLED = {"unet": "UNet", "transformer": "transformer", "motion_module": "motion module",
           "clip_l": "CLIP-L", "clip_g": "CLIP-G", "clip_h": "OpenCLIP-H", "t5xxl": "T5",
           "text_encoder": "text encoder"}


def not_a_network(kind: str) -> str:
    return _sentence(no_network_error(kind, ""))


def all_broken(problems: Mapping[str, str]) -> str:
    module, problem = next(iter(problems.items()))
    count = len(problems)
    which = "its only module" if count == 1 else f"none of its {count} modules"
    can = "cannot" if count == 1 else "can"
    return (f"{which.capitalize()} {can} be read: {module} has {problem}. Download it again, or"
            " ask its author.")


def no_checkpoint(checkpoint: CheckpointFacts) -> str:
    if checkpoint.not_a_checkpoint:
        kind = with_article(checkpoint.not_a_checkpoint)
        return f"{checkpoint.name} is {kind}, not a checkpoint. Choose a checkpoint."
    return f"{checkpoint.name} does not tell what it is made of, so nothing can be compared."


def unlike(case: Case) -> str:
    return (f"{case.checkpoint.name} is a model of no known family, and none of the network's"
            f" {case.main.count.modules} modules has a name of it: nothing can be said.")


def of_case(
    case: Case, answer: Answer, applied: Mapping[str, bool], *, force: bool
) -> tuple[str, ...]:
    """Why the answer is what it is; the first sentence is the one to show alone."""
    return tuple(dict.fromkeys(_sentences(case, answer, applied, force=force)))


def _sentences(
    case: Case, answer: Answer, applied: Mapping[str, bool], *, force: bool
) -> Iterator[str]:
    if answer == "no_effect":
        yield _refused(case)
    elif case.main.count.full or answer == "fits":
        yield _all_fit(case)
    for match in case.matches:
        if answer != "no_effect" and not (match.count.full and not match.assumed):
            yield _part(match, case)
    if force and not all(match.count.full for match in case.matches):
        yield "It is forced: every module that fits is applied, whatever it was made for."
    if answer in ("fits", "partly"):
        yield from _warnings(case, applied)


def _refused(case: Case) -> str:
    """The engine's own words for the same refusal."""
    main = case.main
    if main.count.full:
        return (f"All {main.count.modules} modules have the names and shapes of"
                f" {_title(case.checkpoint)}'s layers, and yet it is a network for"
                f" {_ours(case)}: the two only look alike. Load {with_article(_ours(case))}"
                " checkpoint or remove the tag.")
    if not main.there:
        return (f"It is for a {_called(main.name)}, which this checkpoint does not have. Use it"
                " where one is loaded.")
    model = _describe(case.checkpoint)
    return _sentence(refusal("", _families(case), model, main.count))


def _all_fit(case: Case) -> str:
    full = [match for match in case.matches if match.count.full and not match.assumed]
    parts = [f"{match.count.modules} {_called(match.name)}" for match in full]
    joined = " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
    return f"All {joined} modules fit {_title(case.checkpoint)}."


def _part(match: Match, case: Case) -> str:
    """What is the matter with one part."""
    count, called = match.count, _called(match.name)
    if match.assumed:
        return (f"The checkpoint's file has no {called}; {count.usable} of {count.modules} modules"
                f" fit the one that {_title(case.checkpoint)} models usually run with.")
    if not match.there:
        return (f"{_title(case.checkpoint)[:1].upper()}{_title(case.checkpoint)[1:]} has no"
                f" {called} that is known here, so {count.modules} modules are left out.")
    line = f"{count.usable} of {count.modules} {called} modules fit {_title(case.checkpoint)}"
    return f"{line}{_shortfall(count)}."


def _shortfall(count: Count) -> str:
    told = []
    if count.missing:
        told.append(f"{count.missing} are not in it ({count.first_missing})")
    if count.misfits:
        told.append(f"{count.misfits} have another shape ({count.first_misfit})")
    left_out = count.input_variants - count.padded
    if left_out:
        told.append("the input layer takes another number of channels")
    if count.padded:
        told.append("the input layer is padded for the model's further channels")
    return ": " + ", ".join(told) if told else ""


def of_component(match: Match, case: Case, *, refused: bool, applied: bool) -> str:
    """Why one part is applied or not; '' where it simply fits."""
    if applied:
        return "" if match.count.full and not match.assumed else _part(match, case)
    if refused and match.count.full and not match.is_main:
        return (f"It fits, but it is refused with the rest: the network is for {_ours(case)}.")
    if match.count.misfits and not refused:
        return _part(match, case) + " It is applied only when it is forced."
    return _refused(case) if refused and match.is_main else _part(match, case)


def _warnings(case: Case, applied: Mapping[str, bool]) -> Iterator[str]:
    detection, checkpoint = case.detection, case.checkpoint
    sizes = {one.variant for one in _families(case)}
    if case.relation == "same" and checkpoint.variant and sizes - {"", checkpoint.variant} == sizes:
        yield f"It was made for {_ours(case)}: expect a different effect."
    if case.relation == "kin":
        yield (f"It was made for {_ours(case)}, whose layers {_title(checkpoint)} shares: expect a"
               " weaker or a different effect.")
    if not any(applied.values()):
        yield "As it is, it is refused; what fits is applied when it is forced."
    ours, theirs = detection.variant, checkpoint.variant
    if ours != theirs and {ours, theirs} & _SUBFAMILIES and case.relation == "same" and ours:
        yield (f"It was made for {_SUBTITLES.get(ours, ours)} and the checkpoint is"
               f" {_SUBTITLES.get(theirs, theirs or _title(checkpoint))}: its style may drift.")
    if detection.speed:
        yield (f"It is a '{detection.speed}' network: use the sampler, the few steps and the low"
               " CFG that its author names.")
    if case.network.problems:
        yield (f"{len(case.network.problems)} of its modules cannot be read and are left out.")


_SUBTITLES = {"pony": "Pony", "illustrious": "Illustrious", "noobai": "NoobAI"}
_SUBFAMILIES = frozenset(_SUBTITLES)


def _families(case: Case) -> tuple[Family, ...]:
    return families_of_detection(case.network, case.detection)


def _ours(case: Case) -> str:
    return titles(_families(case)) or OTHER


def _title(checkpoint: CheckpointFacts) -> str:
    return checkpoint.title or "this model"


def _called(name: str) -> str:
    return _CALLED.get(name, name)


def _describe(checkpoint: CheckpointFacts) -> ModelDescription:
    listed = families_of(checkpoint.family)
    if not listed:
        return describe_model(checkpoint.components)
    one = next((one for one in listed if one.variant == checkpoint.variant), listed[0])
    return ModelDescription(one.id, one.title, one.feature, one.feature_value, one.variant)


def _sentence(error: LoradexError) -> str:
    """An error's line without its subject."""
    text = str(error).partition(": ")[2]
    return text[:1].upper() + text[1:]
