"""`check`: whether LoRAs fit a checkpoint, with the counts and the reason."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from loradex.catalog.details import Details, judge
from loradex.compat.checkpoint import CheckpointFacts, classify_checkpoint
from loradex.compat.verdict import Verdict

from standalone.arguments import Parser
from standalone.commands.shared import (
    EXIT_FOUND,
    add_common,
    add_exit_code,
    add_networks,
    checkpoint_path,
    command_parser,
    details_of,
    print_json,
)
from standalone.commands.tables import console, print_table

NAME = "check"


def parser() -> Parser:
    made = command_parser(
        NAME, "LORA [LORA ...] --checkpoint WHAT [options]",
        "Say whether LoRAs fit a checkpoint: counts per component against the checkpoint's own "
        "modules, and the reason of every no. Only headers are read.",
    )
    add_networks(made)
    made.add_argument("--checkpoint", required=True, metavar="WHAT",
                      help="'demo', a .safetensors file or a diffusers folder")
    made.add_argument("--force", action="store_true",
                      help="judge as if the family were not looked at: apply whatever matches")
    add_exit_code(made, "a LoRA does not fit in full")
    add_common(made)
    return made


def run(arguments: argparse.Namespace) -> int:
    checkpoint = classify_checkpoint(checkpoint_path(arguments.checkpoint))
    found = details_of(arguments, arguments.networks)
    verdicts = [judge(one.entry, checkpoint, force=arguments.force) for one in found]
    pairs = list(zip(found, verdicts, strict=True))
    if arguments.json:
        print_json(_row(one, answer, checkpoint) for one, answer in pairs)
    else:
        _print(pairs, checkpoint)
    bad = any(answer.answer != "fits" for answer in verdicts)
    return EXIT_FOUND if arguments.exit_code and bad else 0


def _row(details: Details, answer: Verdict, checkpoint: CheckpointFacts) -> dict[str, Any]:
    entry = details.entry
    return {
        "path": str(entry.file.path), "id": entry.file.id, "name": entry.file.name,
        "family": entry.family or None, "candidates": list(entry.facts.candidates),
        "checkpoint": checkpoint_row(checkpoint),
        "verdict": answer.answer, "confidence": answer.confidence,
        "reasons": list(answer.reasons),
        "components": {
            name: {
                "named": one.named, "shape_ok": one.shape_ok, "missing": one.missing,
                "total": one.total, "applied": one.applied, "reason": one.reason,
            }
            for name, one in answer.components.items()
        },
    }


def checkpoint_row(checkpoint: CheckpointFacts) -> dict[str, Any]:
    return {
        "path": str(Path(checkpoint.path)), "name": checkpoint.name,
        "family": checkpoint.family or None, "variant": checkpoint.variant or None,
        "prediction_type": checkpoint.prediction_type or None,
        "confidence": checkpoint.confidence, "evidence": list(checkpoint.evidence),
    }


def _print(pairs: list[tuple[Details, Verdict]], checkpoint: CheckpointFacts) -> None:
    out = console()
    kind = ", ".join(filter(None, (checkpoint.title, checkpoint.prediction_type)))
    out.print(f"{checkpoint.name}: {kind}", markup=False)
    rows = []
    for details, answer in pairs:
        counts = ", ".join(
            f"{name} {one.shape_ok}/{one.total}" for name, one in answer.components.items()
        )
        rows.append((details.entry.file.id, answer.answer.replace("_", " "), counts,
                     " ".join(answer.reasons)))
    print_table(("Name", "Verdict", "Modules that fit", "Reason"), rows, wide="Reason")
