"""`list`: every LoRA of the folders with what is known of it, filtered, sorted and searched."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from loradex.catalog.catalog import Catalog
from loradex.catalog.records import Entry, Query, Sort, Status
from loradex.compat.checkpoint import classify_checkpoint

from standalone.arguments import Parser
from standalone.commands.rows import entry_row
from standalone.commands.shared import (
    add_common,
    checkpoint_path,
    command_parser,
    open_catalog,
    print_json,
    roots_of,
)
from standalone.commands.tables import print_table, size_text

NAME = "list"
_VERDICTS = ("fits", "partly", "no_effect", "unknown", "broken")


def parser() -> Parser:
    made = command_parser(
        NAME, "[FOLDER ...] [options]",
        "List LoRA files: what each is, what it fits and what is wrong with it. Files are read by "
        "their header alone, and the list is remembered for the next time.",
    )
    made.add_argument("paths", type=Path, nargs="*", metavar="FOLDER",
                      help="folders to list instead of --lora-dir")
    _add_filters(made)
    add_common(made)
    return made


def _add_filters(made: Parser) -> None:
    add = made.add_argument
    add("--search", default="", metavar="TEXT",
        help="words that must occur in name, title, folder, trigger words, tags or notes")
    add("--family", action="append", default=[], metavar="ID", help="sdxl, flux1 ...; repeatable")
    add("--type", action="append", default=[], metavar="NAME", help="lora, loha ...; repeatable")
    add("--status", action="append", default=[], choices=get_args(Status),
        metavar="NAME", help="ok, broken, unfinished or not_a_lora; repeatable")
    add("--folder", default="", metavar="PATH", help="only what lies below it, from the root on")
    add("--tag", action="append", default=[], metavar="TAG", help="must have it; repeatable")
    add("--favourite", action="store_true", help="only those with a star")
    add("--fault", action="store_true", help="only those with a fault")
    add("--checkpoint", metavar="WHAT",
        help="say for each whether it fits this checkpoint (a file or a diffusers folder)")
    add("--verdict", action="append", default=[], choices=_VERDICTS, metavar="NAME",
        help="with --checkpoint: fits, partly, no_effect, unknown or broken; repeatable")
    add("--sort", default="path", choices=get_args(Sort), metavar="KEY",
        help="name, path, added, modified, size, rating, family or relevance (default: path)")
    add("--descending", action="store_true", help="the other way round")
    add("--limit", type=int, metavar="N", help="the first N only")


def run(arguments: argparse.Namespace) -> int:
    with open_catalog(arguments, roots_of(arguments, arguments.paths)) as catalog:
        catalog.refresh()
        checkpoint = _judged(catalog, arguments.checkpoint)
        query = query_of(arguments, checkpoint)
        if arguments.json:
            print_json(_rows(catalog, query))
        else:
            _print(catalog, query)
    return 0


def _judged(catalog: Catalog, word: str | None) -> str:
    if word is None:
        return ""
    return catalog.judge(classify_checkpoint(checkpoint_path(word)))


def query_of(arguments: argparse.Namespace, checkpoint: str) -> Query:
    return Query(
        text=arguments.search, families=tuple(arguments.family), types=tuple(arguments.type),
        statuses=tuple(arguments.status), verdicts=tuple(arguments.verdict),
        checkpoint=checkpoint, folder=arguments.folder, tags=tuple(arguments.tag),
        favourite=True if arguments.favourite else None,
        has_fault=True if arguments.fault else None, sort=arguments.sort,
        descending=arguments.descending, limit=arguments.limit,
    )


def _rows(catalog: Catalog, query: Query) -> Iterator[dict[str, Any]]:
    for entry in catalog.entries(query):
        yield entry_row(entry, catalog.metadata(entry))


def _print(catalog: Catalog, query: Query) -> None:
    columns = ["Name", "Family", "Type", "Rank", "Size", "Status", "Trigger words"]
    if query.checkpoint:
        columns.insert(1, "Verdict")
    entries = list(catalog.entries(query))
    print_table(columns, (_cells(entry, query) for entry in entries), wide="Trigger words")
    for note in catalog.notes:
        print(f"note: {note}")
    faults = sum(entry.facts.fault is not None for entry in entries)
    print(f"{len(entries)} files, {faults} with a fault"
          + (" ('doctor' explains them)" if faults else ""))


def _cells(entry: Entry, query: Query) -> list[Any]:
    facts = entry.facts
    star = "* " if entry.user.favourite else ""
    family = entry.family or " or ".join(facts.candidates)
    if facts.variant and not entry.user.family:
        family += f" {facts.variant}"
    fault = facts.fault.code if facts.fault else facts.status
    cells = [
        star + entry.file.id, family, ", ".join(facts.types) or facts.kind, facts.rank,
        size_text(entry.file.size), fault, ", ".join(entry.summary.trigger_words),
    ]
    if query.checkpoint:
        cells.insert(1, entry.verdict.replace("_", " "))
    return cells
