"""Whether a network fits the model that is loaded: counts per component, and the reason of a no."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loradex.compat.detect import OTHER, Detection, ModelDescription, describe_model, detect_network
from loradex.compat.facts import Fact, facts_of, is_input_variant, of_component
from loradex.compat.families import family
from loradex.errors import IncompatibleNetworkError
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

    @property
    def missing(self) -> int:
        return self.modules - self.named

    @property
    def misfits(self) -> int:
        """Named modules of an impossible shape."""
        return self.named - self.fits - self.input_variants


def compare(
    parsed: ParsedFile, tensors: Mapping[str, Shape], model: Mapping[str, Architecture]
) -> tuple[Count, ...]:
    """The counts of a network against a model, first the denoiser, then the text encoders."""
    facts = facts_of(parsed, tensors)
    tables = {name: table_of(one) for name, one in model.items()}
    counts = []
    for component in ("denoiser", "te"):
        wanted = [tables[name] for name, one in model.items() if one.component == component]
        found = of_component(facts, component)
        if found:
            counts.append(_count(component, found, wanted))
    return tuple(counts)


def _count(component: str, facts: Sequence[Fact], tables: Sequence[NameTable]) -> Count:
    named = fits = variants = 0
    misfit = ""
    for fact in facts:
        weights = [shape for table in tables if (shape := table.shape(fact.module.name))]
        if not weights:
            continue
        named += 1
        if fact.extent is None or any(shapes_fit(fact.extent, weight) for weight in weights):
            fits += 1
        elif any(is_input_variant(fact, weight) for weight in weights):
            variants += 1
        elif not misfit:
            ours, theirs = list(fact.extent), list(weights[0])
            misfit = f"{fact.module.name} is {ours}, the model's is {theirs}"
    return Count(component, len(facts), named, fits, variants, misfit)


def incompatibility(
    parsed: ParsedFile,
    tensors: Mapping[str, Shape],
    metadata: Mapping[str, str],
    model: Mapping[str, Architecture],
    subject: str = "the network",
) -> IncompatibleNetworkError | None:
    """The error for a network of another base model, or None where it may be applied.

    A network is refused where a module of its denoiser has a name of the model and another
    shape, or where nothing of its denoiser (without one: nothing at all) matches. Modules with
    names that the model lacks are for the report: they do not make a network incompatible.
    """
    if parsed.not_a_lora:
        return IncompatibleNetworkError(
            subject, f"this is {with_article(parsed.not_a_lora)}", "a LoRA or one of its relatives",
            "Use it where such files belong, or remove the tag.",
        )
    counts = {count.component: count for count in compare(parsed, tensors, model)}
    decisive = counts.get("denoiser") or counts.get("te")
    if decisive is not None and not decisive.misfits and decisive.named:
        return None
    detection = detect_network(parsed, tensors, metadata)
    return _refusal(subject, detection, describe_model(model), decisive)


def _refusal(
    subject: str, detection: Detection, model: ModelDescription, count: Count | None
) -> IncompatibleNetworkError:
    others = [family(one) for one in detection.candidates if one != model.family]
    shortfall = _shortfall(count) if count is not None else ""
    if not others:
        found = f"a network for {OTHER}" + (f": {shortfall}" if shortfall else "")
        step = "Load the checkpoint that it was trained for or remove the tag."
        return IncompatibleNetworkError(subject, found, _expected(model), step)
    step = f"Load {with_article(others[0].title)} checkpoint or remove the tag."
    found = "a network for " + " or ".join(one.title for one in others)
    feature, value = others[0].feature, others[0].feature_value
    if len(others) > 1:
        return IncompatibleNetworkError(subject, found, _expected(model), step)
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


def with_article(title: str) -> str:
    """The title with `a` or `an`, as it is spoken."""
    spoken_vowel = title[:1] in "AEIOUaeiou" or title.startswith(("SD", "SS"))
    return f"{'an' if spoken_vowel else 'a'} {title}"


def _shortfall(count: Count) -> str:
    if not count.named:
        return f"none of its {count.modules} modules is in the loaded model"
    return count.first_misfit
