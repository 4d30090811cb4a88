"""`check`: whether LoRAs fit a checkpoint, with the counts and the reason."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any, NamedTuple

from loradex.catalog.reading.details import Details, judge
from loradex.catalog.reading.rows import checkpoint_row, verdict_row
from loradex.compat.checkpoint import CheckpointFacts, classify_checkpoint
from loradex.compat.verdict import Verdict

from standalone.arguments import Parser
from standalone.commands.shared import (
    EXIT_FOUND,
    Refused,
    add_common,
    add_exit_code,
    add_networks,
    answer,
    checkpoint_path,
    command_parser,
)
from standalone.commands.sources import Sources
from standalone.commands.texts import BOLD, clean, paragraph, styled

NAME = "check"


class Judged(NamedTuple):
    """One LoRA with what was found about it and one checkpoint."""

    details: Details
    verdict: Verdict


def parser() -> Parser:
    made = command_parser(
        NAME, "LORA [LORA ...] --checkpoint WHAT [options]",
        "Say whether LoRAs fit a checkpoint: counts per component against the checkpoint's own "
        "modules, and the reason of every no. Only headers are read.",
        found="a LoRA does not fit in full",
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

    def row(one: Judged) -> dict[str, Any]:
        return _row(one, checkpoint)

    def show(judged: list[Judged]) -> None:
        _print(judged, checkpoint)

    with Sources(arguments) as sources:
        found = _judged(sources, arguments, checkpoint)
        judged, code = answer(found, arguments.json, row, show)
    bad = any(one.verdict.answer != "fits" for one in judged)
    return code or (EXIT_FOUND if arguments.exit_code and bad else 0)


def _judged(
    sources: Sources, arguments: argparse.Namespace, checkpoint: CheckpointFacts
) -> Iterator[Judged | Refused]:
    for one in sources.details(arguments.networks):
        if isinstance(one, Refused):
            yield one
        else:
            yield Judged(one, judge(one.entry, checkpoint, force=arguments.force))


def _row(one: Judged, checkpoint: CheckpointFacts) -> dict[str, Any]:
    entry = one.details.entry
    return {
        "path": str(entry.file.path), "id": entry.file.id, "name": entry.file.name,
        "family": entry.family or None, "candidates": list(entry.facts.candidates),
        **verdict_row(one.verdict),
        "checkpoint": checkpoint_row(checkpoint),
    }


def _print(judged: list[Judged], checkpoint: CheckpointFacts) -> None:
    kind = ", ".join(filter(None, (checkpoint.title, checkpoint.prediction_type)))
    print(styled(clean(f"{checkpoint.name}: {kind}"), BOLD))
    for details, verdict in judged:
        counts = "  ".join(
            f"{name} {part.shape_ok}/{part.total}" for name, part in verdict.components.items()
        )
        answered = styled(verdict.answer.replace("_", " "))
        print(f"{clean(details.entry.file.id)}: {answered}" + (f"  {counts}" if counts else ""))
        for reason in dict.fromkeys((*verdict.reasons, *_of_parts(verdict))):
            print(paragraph(reason, 2))


def _of_parts(verdict: Verdict) -> Iterator[str]:
    """Reasons of single parts that the whole does not say already."""
    said = " ".join(verdict.reasons)
    for name, part in verdict.components.items():
        if part.reason and part.reason not in said:
            yield f"{name}: {part.reason}"
