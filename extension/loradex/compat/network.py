"""What the names and shapes of a network say: its modules, types, ranks, parts and families."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from loradex.compat.admission import Admission, admit, opens
from loradex.compat.encoders import OTHER_ENCODER, encoder_names
from loradex.compat.facts import Fact, facts_of, of_component
from loradex.compat.family import Part
from loradex.compat.foreign import foreign_title
from loradex.keys.parse import ParsedFile
from loradex.keys.targets import Shape

_UNETS = ("UNet2DConditionModel", "UNetSpatioTemporalConditionModel")


@dataclass(frozen=True)
class NetworkFacts:
    """Everything about a network that depends on nothing but its names and shapes.

    Files of one header structure have the same facts, so callers keep them by that. `types`,
    `ranks` and `components` (by the names that people see: `unet`, `clip_l` ...) count modules,
    the most frequent first. `encoders` says which text encoder the keys' components (`te2`) are,
    `problems` why which modules can be read by no network type.
    """

    parsed: ParsedFile
    shapes: Mapping[str, Shape]
    facts: tuple[Fact, ...]
    admission: Admission
    types: Mapping[str, int]
    ranks: Mapping[int, int]
    dora: bool
    components: Mapping[str, int]
    encoders: Mapping[str, str]
    problems: Mapping[str, str]
    foreign: str = ""
    """What the file is that is no LoRA, with its family where that can be told."""

    def light(self) -> NetworkFacts:
        """The same without its modules: enough for `decide`, a hundredth of the memory."""
        kept = ParsedFile((), self.parsed.layouts, not_a_lora=self.parsed.not_a_lora)
        return replace(self, parsed=kept, shapes={}, facts=(), problems={})

    @property
    def rank(self) -> int | None:
        """The most frequent rank."""
        return next(iter(self.ranks), None)


def read_network(parsed: ParsedFile, shapes: Mapping[str, Shape]) -> NetworkFacts:
    """The facts of a parsed file; a file that is no LoRA has no modules."""
    facts = facts_of(parsed, shapes)
    usable = [fact.description for fact in facts if not fact.description.problem]
    admission = admit(facts)
    encoders = encoder_names(of_component(facts, "te"))
    names = {**_component_names(facts, admission), **encoders}
    return NetworkFacts(
        parsed=parsed, shapes=shapes, facts=facts, admission=admission,
        types=_counted(one.type for one in usable),
        ranks=_counted(one.rank for one in usable if one.rank is not None),
        dora=any(one.dora for one in usable),
        components=_counted(names[fact.module.component] for fact in facts),
        encoders=encoders,
        problems={
            fact.module.name: fact.description.problem
            for fact in facts if fact.description.problem
        },
        foreign=foreign_title(parsed.not_a_lora, shapes) if parsed.not_a_lora else "",
    )


_Value = TypeVar("_Value", bound=Hashable)


def _counted(values: Iterable[_Value]) -> Mapping[_Value, int]:
    return dict(Counter(values).most_common())


def _component_names(facts: Sequence[Fact], admission: Admission) -> Mapping[str, str]:
    """Component of the keys -> the name that people know it by."""
    denoisers = of_component(facts, "denoiser")
    name = denoiser_name(admission, denoisers) if denoisers else ""
    return {
        "denoiser": name, "": name, "denoiser2": f"{name}_2", "motion": "motion_module",
        **{fact.module.component: OTHER_ENCODER for fact in facts
           if fact.module.component.startswith("te")},
    }


def denoiser_name(admission: Admission, facts: Sequence[Fact]) -> str:
    """`unet` or `transformer`: what the denoiser of the admitting families is called."""
    if admission.left:
        return part_name(admission.left[0].parts[0])
    unet = Part("denoiser", _UNETS[0], {})
    return "unet" if opens(unet, facts) else "transformer"


def part_name(part: Part) -> str:
    """`unet`, `transformer` or `motion_module`."""
    if part.component == "motion":
        return "motion_module"
    return "unet" if part.class_name in _UNETS else "transformer"
