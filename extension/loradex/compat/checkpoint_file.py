"""A checkpoint in one file, classified by its header."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from loradex.compat import prediction
from loradex.compat.admission import Confidence, encoders_of, titles
from loradex.compat.checkpoint_facts import CheckpointFacts
from loradex.compat.claims import name_claim
from loradex.compat.families import Family
from loradex.compat.live_tables import derived_table, live_table
from loradex.compat.model import describe_model
from loradex.compat.network import part_name
from loradex.compat.real_tables import (
    ALIKE,
    PACKED,
    Likeness,
    Shapes,
    denoiser_prefix,
    edition_of,
    generic_table,
    has_part,
    likest,
    real_table,
    under,
    unpacked,
)
from loradex.files.header import Header
from loradex.files.pickle_header import read_model_header
from loradex.keys.architecture import Architecture
from loradex.keys.derive import DERIVATIONS
from loradex.keys.parse import parse_file

_ENCODERS = (
    "cond_stage_model.transformer.", "cond_stage_model.model.",
    "conditioner.embedders.0.transformer.", "conditioner.embedders.0.model.",
    "conditioner.embedders.1.model.", "text_encoders.clip_l.transformer.",
    "text_encoders.clip_g.transformer.", "text_encoders.t5xxl.transformer.",
    "text_encoder.", "text_encoder_2.", "text_encoder_3.",
)


_SAME = 0.99
"""Real files have a few matrices that are nobody's target (SD 3's table of positions)."""


def classify_file(path: Path) -> CheckpointFacts:
    """The facts of a single file.

    Raises:
        FileError: the file cannot be read.
    """
    return classify_header(path, read_model_header(path))


def classify_header(path: Path, header: Header) -> CheckpointFacts:
    """The same for a header that was read already; `path` names the file and its neighbours."""
    shapes = unpacked(header.shapes)
    own = under(shapes, denoiser_prefix(shapes))
    alike = likest(own)
    if alike and alike[0].share >= ALIKE:
        return _known(path, header, own, alike)
    return _unknown(path, header, own)


def _known(
    path: Path, header: Header, own: Shapes, alike: Sequence[Likeness]
) -> CheckpointFacts:
    first = alike[0]
    one = first.family
    kin = list(dict.fromkeys(found.family for found in alike))
    packed = PACKED in own.values()
    exact = first.share >= _SAME and not packed
    evidence = [f"its denoiser's tensors are those of {titles(kin)}"
                + ("" if exact else f" by {first.share:.1%}")]
    if packed:
        evidence.append("its weights are packed (4 bit), so their shapes are its family's")
    told = prediction.of_file(path, one.id, header)
    if told.type:
        evidence.append(f"it predicts {told.type}: {told.reason}")
    real = real_table(first.architecture, first.tree, own)
    variant = edition_of(one, real) or _variant(path, header, kin, told.type, evidence)
    components = {part_name(one.parts[0]): real}
    encoders, assumed = _text_encoders(one, header.shapes)
    if assumed:
        evidence.append("it has no text encoder of its own" if not encoders else
                        "it lacks a text encoder")
    confidence: Confidence = "high" if exact else "medium"
    if len({found.id for found in kin}) > 1:
        confidence = "low"
    return CheckpointFacts(
        path, path.stem, one.id, variant, _title(one, variant), told.type, confidence,
        tuple(evidence), {**components, **encoders}, assumed,
    )


def _title(one: Family, variant: str) -> str:
    if not variant or variant.lower() in one.title.lower():
        return one.title
    return f"{one.title} {_SUBTITLES.get(variant, variant)}"


_SUBTITLES = {"pony": "(Pony)", "illustrious": "(Illustrious)", "noobai": "(NoobAI)"}


def _variant(
    path: Path, header: Header, kin: Sequence[Family], predicts: str, evidence: list[str],
) -> str:
    """The size, the training (SD 2), or the sub-family by its name."""
    one = kin[0]
    sizes = {found.variant for found in kin}
    if len(sizes) == 1 and one.variant:
        return one.variant
    if one.id == "sd2":
        return "768-v" if predicts == "v_prediction" else "512"
    for name in (header.metadata.get("modelspec.title", ""), path.name):
        claim = name_claim("its name", name)
        if claim.family == one.id and claim.variant and not one.variant:
            evidence.append(str(claim))
            return claim.variant
    return ""


def _text_encoders(
    one: Family, shapes: Shapes
) -> tuple[Mapping[str, Architecture], Mapping[str, Architecture]]:
    """(those that the file has, the family's usual ones that it lacks) by component."""
    there = [own for prefix in _ENCODERS if (own := under(shapes, prefix))]
    found: dict[str, Architecture] = {}
    assumed: dict[str, Architecture] = {}
    for part in encoders_of(one):
        if part.class_name not in DERIVATIONS:
            continue
        target = found if any(has_part(part, own) for own in there) else assumed
        target[part.component] = part.table.architecture
    return found, assumed


def _unknown(path: Path, header: Header, own: Shapes) -> CheckpointFacts:
    """No family: another kind of file, or a model that only its own names describe."""
    parsed = parse_file(header.shapes, header.metadata)
    kind = "LoRA" if parsed.modules else parsed.not_a_lora
    if kind and "checkpoint" not in kind and kind != "unknown kind of file":
        return CheckpointFacts(path, path.stem, not_a_checkpoint=kind,
                               evidence=(f"its tensors are those of a {kind}",))
    derived = derived_table(own, "denoiser")
    table = derived[0] if derived else generic_table(own, "denoiser")
    if not table.leaves:
        return CheckpointFacts(path, path.stem, not_a_checkpoint=kind or "unknown kind of file")
    main = {"unet" if table.id == "unet" else "transformer": table}
    components = {**main, **_unknown_encoders(header.shapes)}
    told = "its table is made from its own sizes" if derived else "its own names are all there is"
    return CheckpointFacts(
        path, path.stem, title=str(describe_model(main)),
        confidence="medium" if derived else "low", components=components,
        evidence=(f"no known family has these tensors; {told}",),
    )


def _unknown_encoders(shapes: Shapes) -> dict[str, Architecture]:
    """The text encoders that lie beside it, in the order in which a model numbers them."""
    there = [own for prefix in _ENCODERS if (own := under(shapes, prefix))]
    tables = [table for own in there if (table := live_table(own, "te")) is not None]
    return {"te" if not i else f"te{i + 1}": one for i, (one, _) in enumerate(tables)}
