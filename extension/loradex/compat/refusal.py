"""The words of a no: which base model a network is for, which one is loaded, what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loradex.compat.admission import titles
from loradex.compat.counting import Count, compare
from loradex.compat.detect import Detection, decide
from loradex.compat.families import Family
from loradex.compat.matching import judge, relation_of
from loradex.compat.model import OTHER, ModelDescription, describe_model
from loradex.compat.network import NetworkFacts, read_network
from loradex.compat.wording import with_article
from loradex.errors import IncompatibleNetworkError
from loradex.keys.architecture import Architecture
from loradex.keys.parse import ParsedFile
from loradex.keys.targets import Shape


def incompatibility(
    parsed: ParsedFile,
    tensors: Mapping[str, Shape],
    metadata: Mapping[str, str],
    model: Mapping[str, Architecture],
    subject: str = "the network",
) -> IncompatibleNetworkError | None:
    """The error for a network of another base model, or None where it may be applied.

    A network is refused where a module of its denoiser has a name of the model and another
    shape, and where the verdict on it is that it has no effect. Modules with names that the model
    lacks are for the report: they alone do not make a network incompatible.
    """
    if parsed.not_a_lora:
        return not_a_network(parsed.not_a_lora, subject)
    counts = {count.component: count for count in compare(parsed, tensors, model)}
    decisive = counts.get("denoiser") or counts.get("motion") or counts.get("te")
    network = read_network(parsed, tensors)
    detection, loaded = decide(network, metadata), describe_model(model)
    if decisive is not None and not decisive.misfits:
        relation = relation_of(network, detection, loaded.family)
        if decisive.input_variants or judge(decisive, relation) != "no_effect":
            return None
    return refusal(subject, families_of_detection(network, detection), loaded, decisive)


def families_of_detection(network: NetworkFacts, detection: Detection) -> tuple[Family, ...]:
    """The families and sizes that a network may be for; () where none is known."""
    left = tuple(one for one in network.admission.left if one.id in detection.candidates)
    sized = tuple(one for one in left if one.variant == detection.variant)
    return sized or left or network.admission.left


def not_a_network(kind: str, subject: str) -> IncompatibleNetworkError:
    """The error for a file that is no network at all."""
    return IncompatibleNetworkError(
        subject, f"this is {with_article(kind)}", "a LoRA or one of its relatives",
        "Use it where such files belong, or remove the tag.",
    )


def refusal(
    subject: str, families: Sequence[Family], model: ModelDescription, count: Count | None
) -> IncompatibleNetworkError:
    """The error for a network of these families on that model."""
    others = [one for one in families if (one.id, one.variant) != (model.family, model.variant)]
    shortfall = _shortfall(count) if count is not None else ""
    if not others:
        found = f"a network for {OTHER}" + (f": {shortfall}" if shortfall else "")
        step = "Load the checkpoint that it was trained for or remove the tag."
        return IncompatibleNetworkError(subject, found, _expected(model), step)
    step = f"Load {with_article(others[0].title)} checkpoint or remove the tag."
    found = f"a network for {titles(others)}"
    numbers = {(one.feature, one.feature_value) for one in others}
    if len(numbers) > 1:
        return IncompatibleNetworkError(subject, found, _expected(model), step)
    feature, value = numbers.pop()
    if (feature, value) == (model.feature, model.value):
        found += f": {shortfall}"
        return IncompatibleNetworkError(subject, found, _expected(model), step)
    found += f" ({feature} {value})"
    return IncompatibleNetworkError(subject, found, _expected(model, unless=feature), step)


def _expected(model: ModelDescription, unless: str = "") -> str:
    """The loaded model in a message; beside a family's title a number's name is not said twice."""
    title = model.title if model.family else "one for the loaded model"
    if not model.feature:
        return title
    repeated = bool(model.family) and model.feature == unless
    number = str(model.value) if repeated else f"{model.feature} {model.value}"
    return f"{title} ({number})"


def _shortfall(count: Count) -> str:
    if not count.named:
        return f"none of its {count.modules} modules is in the loaded model"
    if count.first_misfit:
        return count.first_misfit
    return f"{count.missing} of its {count.modules} modules are not in the loaded model"
