"""`inspect`: everything that is known of one LoRA file, and where each fact comes from."""

from __future__ import annotations

import argparse
from typing import Any

from loradex.catalog.details import Details

from standalone.arguments import Parser
from standalone.commands.rows import entry_row
from standalone.commands.shared import (
    add_common,
    add_networks,
    command_parser,
    details_of,
    print_json,
)
from standalone.commands.tables import console, print_table, size_text

NAME = "inspect"


def parser() -> Parser:
    made = command_parser(
        NAME, "LORA [LORA ...] [options]",
        "Show what a LoRA file is, what it fits and why, what tools and people noted about it, "
        "and which file says so.",
    )
    add_networks(made)
    made.add_argument("--keys", action="store_true", help="list every tensor as well")
    add_common(made)
    return made


def run(arguments: argparse.Namespace) -> int:
    found = details_of(arguments, arguments.networks)
    if arguments.json:
        print_json(details_row(one, keys=arguments.keys) for one in found)
        return 0
    for one in found:
        _print(one, keys=arguments.keys)
    return 0


def details_row(details: Details, *, keys: bool = False) -> dict[str, Any]:
    """One file with provenance; with `keys` every tensor too."""
    row = entry_row(details.entry, details.metadata)
    described = details.described
    row["fields"] = {
        field: {"value": one.value, "source": one.source}
        for field, one in described.values.items()
    }
    row["previews"] = list(described.previews)
    row["unknown_keys"] = list(details.unknown)
    if keys:
        row["keys"] = {
            name: {"dtype": one.dtype, "shape": list(one.shape)}
            for name, one in details.tensors.items()
        }
    return row


def _print(details: Details, *, keys: bool) -> None:
    out = console()
    entry, facts = details.entry, details.entry.facts
    out.print(f"[bold]{entry.file.id}[/bold]", markup=True)
    print_table(("", ""), _facts(details), wide="")
    for line in facts.evidence:
        out.print(f"  because {line}", markup=False)
    if facts.fault:
        out.print(f"  fault: {facts.fault.message} {facts.fault.next_step}", style="red",
                  markup=False)
    for problem in details.described.problems:
        out.print(f"  note: {problem}", markup=False)
    rows = [
        (field, _short(one.value), one.source)
        for field, one in sorted(details.described.values.items())
    ]
    if rows:
        out.print()
        print_table(("Field", "Value", "From"), rows, wide="Value")
    if keys:
        out.print()
        print_table(("Tensor", "Type", "Shape"), (
            (name, one.dtype, list(one.shape)) for name, one in details.tensors.items()
        ))
    out.print()


def _facts(details: Details) -> list[tuple[str, Any]]:
    entry, facts = details.entry, details.entry.facts
    family = entry.family or " or ".join(facts.candidates) or "unknown"
    if facts.variant:
        family += f", {facts.variant}"
    ranks = ", ".join(f"{rank} ({count} modules)" for rank, count in facts.ranks.items())
    return [
        ("  path", entry.file.path),
        ("  status", facts.status),
        ("  family", f"{family} (confidence: {facts.confidence})"),
        ("  type", _counted(facts.types, "modules") or facts.kind),
        ("  rank", ranks),
        ("  components", _counted(facts.components, "modules")),
        ("  layout", _counted(facts.layouts, "tensors")),
        ("  embeddings", ", ".join(facts.embeddings)),
        ("  size", size_text(entry.file.size)),
        ("  sha256", entry.sha256 or "not hashed yet ('hash' does it)"),
        ("  tensors' sha256", entry.tensor_sha256),
    ]


def _counted(counts: Any, unit: str) -> str:
    return ", ".join(f"{name} ({count} {unit})" for name, count in counts.items())


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
    line = " ".join(text.split())
    return line if len(line) <= 400 else f"{line[:397]}..."
