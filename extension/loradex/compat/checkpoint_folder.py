"""A checkpoint as a diffusers folder, classified by its configurations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loradex.compat import prediction
from loradex.compat.admission import encoders_of
from loradex.compat.checkpoint_facts import CheckpointFacts
from loradex.compat.families import Family
from loradex.compat.model import describe_model, family_of
from loradex.compat.real_tables import edition_of, generic_table
from loradex.errors import FileError, LoradexError
from loradex.files.header import read_header
from loradex.keys.architecture import Architecture
from loradex.keys.derive import DERIVATIONS, derive
from loradex.keys.targets import Shape

_DENOISERS = ("unet", "transformer", "transformer_2", "prior")
_ENCODERS = {"text_encoder": "te", "text_encoder_2": "te2", "text_encoder_3": "te3"}


def classify_folder(path: Path) -> CheckpointFacts:
    """The facts of a diffusers folder, of a pipeline or of a denoiser alone.

    Raises:
        FileError: the folder has no configuration that can be read.
    """
    components: dict[str, Architecture] = {}
    evidence: list[str] = []
    for name, folder, class_name in _parts(path):
        table = _table(folder, class_name, name, evidence)
        if table is not None:
            components[_ENCODERS.get(name, name)] = table
    if not any(name in _DENOISERS for name in components):
        raise _refuse(path, "holds no model that is known here", "a diffusers model")
    return _facts(path, components, evidence)


def _parts(path: Path) -> list[tuple[str, Path, str]]:
    """(component, folder, class) of every part that has weights to train."""
    if (path / "model_index.json").is_file():
        index = _read_json(path / "model_index.json")
        listed = [(name, index.get(name)) for name in (*_DENOISERS, *_ENCODERS)]
        return [(name, path / name, str(entry[1])) for name, entry in listed
                if isinstance(entry, list) and len(entry) == 2 and entry[1]]
    if (path / "config.json").is_file():
        class_name = str(_read_json(path / "config.json").get("_class_name", ""))
        return [("unet" if "UNet" in class_name else "transformer", path, class_name)]
    raise _refuse(path, "has no model_index.json", "a diffusers folder")


def _table(
    folder: Path, class_name: str, name: str, evidence: list[str]
) -> Architecture | None:
    """The table that a configuration asks for, else one from the names in the weights' headers."""
    if class_name in DERIVATIONS and (folder / "config.json").is_file():
        try:
            return derive(class_name, _read_json(folder / "config.json"))
        except (LoradexError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            evidence.append(f"{folder.name}/config.json cannot be followed ({error})")
    component = "te" if name in _ENCODERS else "denoiser"
    table = generic_table(_shapes(folder), component)
    if not table.leaves:
        evidence.append(f"{name} is a {class_name}, which is not known here")
        return None
    evidence.append(f"{name} is a {class_name}; its own names are all there is")
    return table


def _shapes(folder: Path) -> Mapping[str, Shape]:
    found: dict[str, Shape] = {}
    for file in sorted(folder.glob("*.safetensors")):
        found.update(read_header(file).shapes)
    return found


def _facts(
    path: Path, components: Mapping[str, Architecture], evidence: list[str]
) -> CheckpointFacts:
    denoiser = next(table for name, table in components.items() if name in _DENOISERS)
    one = family_of(denoiser)
    told = _prediction(path, one)
    if one is None:
        evidence.insert(0, "its sizes are those of no known family")
    else:
        evidence.insert(0, f"its configuration is that of {one.title}")
    if told.type:
        evidence.append(f"it predicts {told.type}: {told.reason}")
    return CheckpointFacts(
        path, path.name, one.id if one else "", _variant(one, denoiser, told.type),
        one.title if one else str(describe_model(components)), told.type,
        "high" if one else "medium", tuple(evidence), components,
        _assumed(one, components),
    )


def _prediction(path: Path, one: Family | None) -> prediction.Prediction:
    file = path / "scheduler" / "scheduler_config.json"
    told = prediction.of_scheduler(_read_json(file)) if file.is_file() else None
    return told or prediction.of_family(one.id if one else "")


def _variant(one: Family | None, denoiser: Architecture, predicts: str) -> str:
    if one is None:
        return ""
    edition = edition_of(one, denoiser)
    if not edition and one.id == "sd2":
        return "768-v" if predicts == "v_prediction" else "512"
    return edition or one.variant


def _assumed(
    one: Family | None, components: Mapping[str, Architecture]
) -> Mapping[str, Architecture]:
    """The usual text encoders of a denoiser that lies alone in its folder."""
    if one is None or any(name.startswith("te") for name in components):
        return {}
    return {part.component: part.table.architecture for part in encoders_of(one)
            if part.class_name in DERIVATIONS}


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FileError(
            path.name, f"cannot be read ({type(error).__name__})", "a JSON file",
            "Download the model again.", code="checkpoint",
        ) from error
    return found if isinstance(found, dict) else {}


def _refuse(path: Path, found: str, expected: str) -> FileError:
    return FileError(path.name, found, expected, "Choose a checkpoint.", code="checkpoint")
