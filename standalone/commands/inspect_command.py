"""`inspect`: everything that is known of one LoRA file, and where each fact comes from."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from loradex.catalog.reading.details import Details
from loradex.catalog.reading.rows import details_row, family_text

from standalone.arguments import Parser
from standalone.commands.shared import add_common, add_networks, answer, command_parser
from standalone.commands.sources import Sources
from standalone.commands.tables import Column, print_pairs, print_table
from standalone.commands.texts import BOLD, clean, count, paragraph, size_text, styled

NAME = "inspect"
_LONG = 400
"""More of a description than this is for --json."""
_LABELS = {
    "negative_words": "negative prompt", "nsfw_level": "NSFW level", "te_strength": "TE strength",
    "source_url": "source", "sha256": "claimed SHA-256",
}


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
    def row(one: Details) -> Mapping[str, Any]:
        return details_row(one, keys=arguments.keys)

    def show(found: list[Details]) -> None:
        for index, one in enumerate(found):
            print("" if not index else "\n", end="")
            _print(one, keys=arguments.keys)

    with Sources(arguments) as sources:
        found = sources.details(arguments.networks)
        _, code = answer(found, arguments.json, row, show)
    return code


def _print(details: Details, *, keys: bool) -> None:
    facts = details.entry.facts
    print(styled(clean(details.entry.file.id), BOLD))
    print_pairs(_facts(details))
    if facts.evidence:
        print("  because")
        for line in facts.evidence:
            print(paragraph(line, 4))
    if facts.fault:
        print(styled(paragraph(f"fault: {facts.fault.message} {facts.fault.next_step}", 2), 31))
    for problem in details.described.problems:
        print(paragraph(f"note: {problem}", 2))
    _print_fields(details)
    if keys:
        print()
        print_table(
            (Column("Tensor", 20), Column("Type", 5), Column("Shape", 10)),
            ((name, one.dtype, " x ".join(map(str, one.shape)) or "scalar")
             for name, one in details.tensors.items()),
        )


def _print_fields(details: Details) -> None:
    """What tools and people noted, and which file says so."""
    rows = [
        (_LABELS.get(field, field.replace("_", " ")), short_text(one.value), one.source)
        for field, one in sorted(details.described.values.items())
    ]
    if rows:
        print()
        print_table((Column("Noted", 10), Column("Value", 24), Column("From", 12)), rows)


def _facts(details: Details) -> list[tuple[str, Any]]:
    entry, facts, user = details.entry, details.entry.facts, details.entry.user
    broken = facts.fault is not None and not facts.types
    known = "" if broken else _family(details)
    return [
        ("path", entry.file.path),
        ("status", "offline" if entry.presence == "offline" else facts.status.replace("_", " ")),
        ("kind", facts.kind if facts.kind != "lora" else ""),
        ("family", known),
        ("type", _counted(facts.types, "module")),
        ("rank", ", ".join(f"{rank} ({count(n, 'module')})" for rank, n in facts.ranks.items())),
        ("parts", _counted(facts.components, "module")),
        ("names", _counted(facts.layouts, "tensor")),
        ("unknown", _unknown(details)),
        ("embeddings", ", ".join(facts.embeddings)),
        ("size", size_text(entry.file.size)),
        ("SHA-256", entry.sha256 or "not known yet; the command 'hash' computes it"),
        ("of tensors", entry.tensor_sha256),
        ("yours", _yours(user.favourite, user.rating, user.tags)),
        ("your notes", user.notes),
    ]


def _unknown(details: Details) -> str:
    """Of a file that is no network, no tensor is one of a network; that says nothing."""
    known = details.entry.facts.types
    return count(len(details.unknown), "tensor") if details.unknown and known else ""


def _family(details: Details) -> str:
    entry = details.entry
    if entry.user.family:
        told = f", the file says {entry.facts.family}" if entry.facts.family else ""
        return f"{entry.user.family} (your own word{told})"
    confidence = entry.facts.confidence
    said = "" if confidence == "unknown" else f" (confidence: {confidence})"
    return (family_text(entry) or "unknown") + said


def _yours(favourite: bool, rating: int | None, tags: tuple[str, ...]) -> str:
    said = ["a star"] if favourite else []
    if rating is not None:
        said.append(f"rating {rating}")
    return ", ".join([*said, *(f"#{tag}" for tag in tags)])


def _counted(counts: Mapping[str, int], unit: str) -> str:
    return ", ".join(f"{name} ({count(number, unit)})" for name, number in counts.items())


def short_text(value: Any) -> str:
    """A value in one line that is not too long."""
    text = ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
    line = " ".join(text.split())
    return line if len(line) <= _LONG else f"{line[: _LONG - 3]}..."
