"""Which families admit a network: those whose tables have all of its modules, name and shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from loradex.compat import coverage
from loradex.compat.facts import Fact, fits, of_component, weight_shape
from loradex.compat.families import FAMILIES, Family
from loradex.compat.family import Part
from loradex.compat.kin import likeliest
from loradex.keys.derive import DERIVATIONS

Confidence = Literal["high", "medium", "low", "unknown"]


@dataclass(frozen=True)
class Admission:
    """What names and shapes say of a network's family.

    `main` is the component that was asked (`denoiser`, `motion`, else `te`), `admitted` are the
    families whose tables have all of its modules, `left` those that remain after what the file
    covers, and `confidence` how sure that answer is before anybody's word is heard.
    """

    main: str = ""
    modules: int = 0
    admitted: tuple[Family, ...] = ()
    left: tuple[Family, ...] = ()
    confidence: Confidence = "unknown"
    evidence: tuple[str, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of `left`, each once."""
        return tuple(dict.fromkeys(one.id for one in self.left))


def admit(facts: Sequence[Fact]) -> Admission:
    """The families whose tables admit every module of a network."""
    encoders = of_component(facts, "te")
    for main in ("denoiser", "motion"):
        modules = of_component(facts, main)
        if modules:
            return _by_main(main, modules, encoders)
    return _by_encoders(encoders) if encoders else Admission(evidence=("it has no modules",))


def _by_main(main: str, modules: Sequence[Fact], encoders: Sequence[Fact]) -> Admission:
    possible = [one for one in FAMILIES if one.main == main and opens(one.parts[0], modules)]
    admitted = [one for one in possible if _admits(one.parts[0], modules)]
    if not admitted:
        return _nearest(main, modules, possible)
    evidence = [f"all {len(modules)} {_called(admitted[0])} modules fit {titles(admitted)} by name"
                " and shape"]
    left, confidence = _narrowed(admitted, modules, encoders, evidence)
    ids = tuple(dict.fromkeys(one.id for one in left))
    if len(ids) > 1:
        confidence = "medium" if likeliest(ids) else "low"
    elif confidence == "high" and _is_excerpt(left, modules):
        confidence = "medium"
        evidence.append("it touches only some of the layers of their kind")
    return Admission(main, len(modules), tuple(admitted), tuple(left), confidence, tuple(evidence))


def _is_excerpt(left: Sequence[Family], modules: Sequence[Fact]) -> bool:
    return all(coverage.is_excerpt(one.parts[0].table, modules) for one in left)


def _called(one: Family) -> str:
    if one.main == "motion":
        return "motion"
    return "UNet" if one.parts[0].class_name.startswith("UNet") else "transformer"


_SAMPLES = 4


def opens(part: Part, facts: Sequence[Fact]) -> bool:
    """Whether a part may have these modules at all, told by how names of its class begin.

    Some modules are looked at, and no table is derived: a file for Stable Diffusion never pays
    for the tables of video models. Numbered files (`@Attention:3`) are from a time of UNets only.
    """
    derivation = DERIVATIONS.get(part.class_name)
    if derivation is None:  # an encoder that no table is known for (Kolors' ChatGLM, say)
        return False
    step = max(1, len(facts) // _SAMPLES)
    names = [fact.module.name for fact in facts[::step]]
    if any(name.startswith("@") for name in names):
        return part.class_name in ("UNet2DConditionModel", "CLIPTextModel")
    return all(name.startswith(derivation.openings) for name in names)


def _admits(part: Part, facts: Sequence[Fact]) -> bool:
    table = part.table
    return all(fits(fact, table) for fact in facts)


def encoders_of(one: Family) -> tuple[Part, ...]:
    """The text encoders of a family."""
    return tuple(part for part in one.parts if part.component.startswith("te"))


def _admits_encoders(one: Family, facts: Sequence[Fact]) -> bool:
    """Whether every text-encoder module fits one of the family's encoders."""
    parts = [part for part in encoders_of(one) if _may_have_some(part, facts)]
    tables = [part.table for part in parts]
    return all(any(fits(fact, table) for table in tables) for fact in facts)


def _may_have_some(part: Part, facts: Sequence[Fact]) -> bool:
    return any(opens(part, [fact]) for fact in facts[::max(1, len(facts) // 16)])


def _by_encoders(encoders: Sequence[Fact]) -> Admission:
    admitted = [one for one in FAMILIES if _admits_encoders(one, encoders)]
    if not admitted:
        return Admission("te", len(encoders), evidence=("no known family admits all modules",))
    evidence = (f"all {len(encoders)} text-encoder modules fit {titles(admitted)} by name and"
                " shape",)
    single = len({one.id for one in admitted}) == 1
    return Admission("te", len(encoders), tuple(admitted), tuple(admitted),
                     "medium" if single else "low", evidence)


Narrowing = Callable[[Sequence[Family], Sequence[Fact]], Sequence[Family]]
_NARROWINGS: tuple[tuple[str, Narrowing], ...] = (
    ("all blocks are there of", coverage.covered),
    ("no layer is left out of", coverage.covered_by_layer),
    ("no layer of its blocks is left out of", coverage.covered_in_blocks),
    ("no layer beside its own is left out of", coverage.with_siblings),
    ("the 1x1 kernels are those of", coverage.exact),
)


def _narrowed(
    admitted: Sequence[Family], modules: Sequence[Fact], encoders: Sequence[Fact],
    evidence: list[str],
) -> tuple[list[Family], Confidence]:
    """The families that remain, and how sure that is.

    Other shapes in the text encoders rule a family out; what a file covers only makes it
    unlikely, so an answer that needed it is no sure one.
    """
    left = list(admitted)
    if len(left) > 1 and encoders:
        fitting = [one for one in left if _admits_encoders(one, encoders)]
        left = _chosen(left, fitting, "the text encoder's shapes", evidence)
    sure: Confidence = "high"
    for reason, narrow in _NARROWINGS:
        if len(left) > 1:
            ids = {one.id for one in left}
            left = _chosen(left, list(narrow(left, modules)), reason, evidence)
            if {one.id for one in left} != ids:
                sure = "medium"
    return left, sure


def _chosen(
    before: list[Family], after: list[Family], reason: str, evidence: list[str]
) -> list[Family]:
    if not after or len(after) == len(before):
        return before
    evidence.append(f"{reason} {titles(after)}")
    return after


_SHOWN = 5


def titles(families: Iterable[Family]) -> str:
    """The families in words; several sizes of one are told apart."""
    listed = list(dict.fromkeys(families))
    same = Counter(one.title for one in listed)
    names = [
        f"{one.title} {one.variant}" if same[one.title] > 1 and one.variant else one.title
        for one in listed
    ]
    names = list(dict.fromkeys(names))
    if len(names) > _SHOWN:
        names = [*names[: _SHOWN - 1], f"{len(names) - _SHOWN + 1} others"]
    return " or ".join(names)


_NEARLY, _HALF = 0.9, 0.5


def _nearest(main: str, modules: Sequence[Fact], possible: Sequence[Family]) -> Admission:
    """No family admits all: the one that comes near enough, else none with a hint.

    Near is who admits nine tenths, and who knows all names (and nobody else does) and most shapes.
    """
    evidence = ["no known family admits all modules"]
    counts = [(sum(fits(fact, one.parts[0].table) for fact in modules), one) for one in possible]
    most = max((count for count, _ in counts), default=0)
    near = [one for count, one in counts if count == most and count]
    if near:
        evidence.append(f"nearest: {titles(near)} with {most} of {len(modules)}")
    nearly = most >= max(_NEARLY * len(modules), coverage.ENOUGH)
    if not nearly and most > _HALF * len(modules):
        named = {one.id for one in possible if _names_all(one.parts[0], modules)}
        nearly = len(named) == 1 and named == {one.id for one in near}
    left = tuple(near) if nearly else _by_names(modules, possible, evidence)
    return Admission(main, len(modules), (), left, "low" if left else "unknown", tuple(evidence))


def _by_names(
    modules: Sequence[Fact], possible: Sequence[Family], evidence: list[str]
) -> tuple[Family, ...]:
    """The one family that knows every name, where shapes do not help: a size that is not known.

    Names that several families share (`transformer_blocks_0_attn_to_q`) say nothing.
    """
    named = tuple(one for one in possible if _names_all(one.parts[0], modules))
    if len({one.id for one in named}) != 1:
        return ()
    evidence.append(f"the names are those of {titles(named)}, the shapes are not")
    return named


def _names_all(part: Part, modules: Sequence[Fact]) -> bool:
    return all(weight_shape(part.table, fact.module.name) for fact in modules)
