"""Which family a network is for: its shapes' answer, weighed with what metadata and names say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from loradex.compat.admission import Admission, Confidence, titles
from loradex.compat.claims import Claim, metadata_claims, name_claim, read_claim
from loradex.compat.families import FAMILIES, Family
from loradex.compat.kin import likeliest
from loradex.compat.network import NetworkFacts, read_network
from loradex.compat.vocabulary import speed_of_name
from loradex.compat.wording import with_article
from loradex.keys.parse import ParsedFile
from loradex.keys.targets import Shape

__all__ = ["Confidence", "Detection", "decide", "detect_network"]

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Detection:
    """The families that a network may be for.

    No candidate means unknown, several that the file fits each of them. `confidence` is high
    where shapes alone decide, medium where coverage or metadata had to, low otherwise. `variant`
    is a size (`klein-4b`) or a sub-family (`pony`), with a confidence of its own; `speed` is a
    distillation that the name speaks of (`lcm`), which wants other sampler settings.
    """

    candidates: tuple[str, ...]
    confidence: Confidence
    evidence: tuple[str, ...]
    variant: str = ""
    variant_confidence: Confidence = "unknown"
    speed: str = ""

    @property
    def family(self) -> str:
        """The one candidate, or the one whose rare lookalikes the others are, or ''."""
        return likeliest(self.candidates)


def detect_network(
    parsed: ParsedFile, tensors: Mapping[str, Shape], metadata: Mapping[str, str] = _NOTHING
) -> Detection:
    """The candidate families of a network, with the reasons."""
    return decide(read_network(parsed, tensors), metadata)


def decide(
    network: NetworkFacts,
    metadata: Mapping[str, str] = _NOTHING,
    *,
    claims: Sequence[Claim] = (),
    user_family: str = "",
    file_name: str = "",
) -> Detection:
    """The families of a network by its shapes and by all that is said of it.

    `claims` are the sidecars' (`claims.read_claim`), less trusted than the metadata and more than
    the file's name, which may carry the folders that it is in. `user_family` is the user's own
    word: an id, a key or one of Civitai's names.
    """
    if network.parsed.not_a_lora:
        return Detection((), "unknown", (f"it is {with_article(network.foreign)}, not a LoRA",))
    words = [*metadata_claims(metadata), *claims]
    if file_name:
        words.append(name_claim("the file's name", file_name))
    found = _weighed(network.admission, words)
    short = file_name.replace("\\", "/").rsplit("/", 1)[-1]
    names = (metadata.get("ss_output_name", ""), metadata.get("modelspec.title", ""), short)
    speed = next(filter(None, map(speed_of_name, names)), "")
    if speed:
        found.evidence.append(f"its name says '{speed}': such a network wants its own sampler"
                              " settings")
    return _with_user(found, user_family, speed)


class _Weighing:
    """The answer while one word after the other is heard."""

    def __init__(self, admission: Admission) -> None:
        self.left: tuple[Family, ...] = admission.left
        self.possible: tuple[Family, ...] = admission.admitted or admission.left
        self.confidence: Confidence = admission.confidence
        self.evidence = list(admission.evidence)
        self.variant = ""
        self.variant_confidence: Confidence = "unknown"

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.id for one in self.left))


def _weighed(admission: Admission, words: Iterable[Claim]) -> _Weighing:
    found = _Weighing(admission)
    agreed = False
    for claim in words:
        if not found.left:
            _note_unheard(found, claim)
        elif not claim.family:
            _note_unknown(found, claim)
        elif claim.family in found.ids:
            agreed = _hear(found, claim, agreed)
        elif not claim.weak:
            _contradict(found, admission, claim)
    _settle_variant(found)
    alike = dict.fromkeys(name for one in found.left for name in one.lookalikes)
    found.evidence.extend(f"{name} networks have the same layers" for name in alike)
    return found


def _note_unheard(found: _Weighing, claim: Claim) -> None:
    if not claim.weak:
        found.evidence.append(str(claim))


def _note_unknown(found: _Weighing, claim: Claim) -> None:
    """A word that no family here is called by: it may be a lookalike that nobody told us of."""
    if claim.weak:
        return
    found.evidence.append(f"{claim}, which is no family known here")
    if found.confidence == "high":
        found.confidence = "medium"


def _hear(found: _Weighing, claim: Claim, agreed: bool) -> bool:
    """A word that agrees: it chooses between families, then between sizes or sub-families."""
    several = len(found.ids) > 1
    if several:
        found.left = tuple(one for one in found.left if one.id == claim.family)
        found.confidence = "low" if claim.weak else "medium"
    chosen = _hear_variant(found, claim) if claim.variant else False
    if several or chosen or not (agreed or claim.weak):
        found.evidence.append(str(claim))
    return True


def _hear_variant(found: _Weighing, claim: Claim) -> bool:
    if found.variant:
        return False
    sizes = [one for one in found.left if one.variant]
    fitting = tuple(one for one in sizes if one.variant == claim.variant)
    if sizes and not fitting and claim.variant in _sizes_of(claim.family):
        return False  # a size that the shapes have ruled out
    if fitting:
        found.left = fitting
    found.variant = claim.variant
    found.variant_confidence = "low" if claim.weak else "medium"
    return True


def _sizes_of(family_id: str) -> frozenset[str]:
    return frozenset(one.variant for one in FAMILIES if one.id == family_id)


def _contradict(found: _Weighing, admission: Admission, claim: Claim) -> None:
    """A word against the shapes: told, never followed.

    A family whose table was asked and does not admit the file is out of the question, so the
    answer stays as sure as it was; a family that only coverage has ruled out makes it doubtful.
    """
    line = f"{claim}, against the shapes"
    if line not in found.evidence:
        found.evidence.append(line)
    if any(one.id == claim.family for one in admission.admitted):
        found.confidence = "low"


def _settle_variant(found: _Weighing) -> None:
    """The size that the shapes leave, where they leave one."""
    variants = {one.variant for one in found.left}
    if len(found.ids) != 1:
        found.variant, found.variant_confidence = "", "unknown"
    elif not found.variant and len(variants) == 1:
        found.variant = variants.pop()
        found.variant_confidence = found.confidence if found.variant else "unknown"
    elif not found.variant:
        found.evidence.append(f"of its sizes: {titles(found.left)}")


def _with_user(found: _Weighing, user_family: str, speed: str) -> Detection:
    """The user's word always wins; where it is against the shapes, that is told."""
    if not user_family:
        return Detection(found.ids, found.confidence, tuple(found.evidence), found.variant,
                         found.variant_confidence, speed)
    chosen, variant = _named(user_family)
    said = f"you say '{user_family}'"
    possible = [one.id for one in found.possible]
    against = bool(possible) and chosen not in possible
    if against:
        said += f", against the shapes, which fit {titles(found.left)}"
    kept = chosen in found.ids
    return Detection(
        (chosen,), "low" if against else "high", (said, *found.evidence),
        variant or (found.variant if kept else ""),
        "high" if variant else found.variant_confidence if kept else "unknown", speed,
    )


def _named(text: str) -> tuple[str, str]:
    """(id, variant) of what a user calls a family; a word of nobody's stays as it is."""
    word = text.strip().lower()
    for one in FAMILIES:
        if word == one.key:
            return one.id, one.variant
    family_id, _, variant = word.partition("/")
    if any(one.id == family_id for one in FAMILIES):
        return family_id, variant
    claim = read_claim("you", text)
    return (claim.family, claim.variant) if claim.family else (text.strip(), "")
