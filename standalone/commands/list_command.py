"""`list`: every LoRA of the folders with what is known of it, filtered, sorted and searched."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from typing import Any, NamedTuple, get_args

from loradex.catalog.catalog import Catalog
from loradex.catalog.disk.scan import SUFFIXES
from loradex.catalog.reading.rows import entry_row, family_text
from loradex.catalog.records import Entry, Query, Sort, Status
from loradex.compat.checkpoint import CheckpointFacts, classify_checkpoint
from loradex.errors import InputError

from standalone.arguments import Parser
from standalone.commands.shared import (
    Refused,
    add_common,
    add_paths,
    answer,
    check_family,
    checkpoint_path,
    command_parser,
    is_file,
    is_folder,
    no_file,
    open_catalog,
    path_of,
    positive,
    roots_of,
)
from standalone.commands.tables import Column, print_table
from standalone.commands.texts import clean, count, size_text

NAME = "list"
_VERDICTS = ("fits", "partly", "no_effect", "unknown", "broken")
_UNKNOWN = "unknown"


class Listed(NamedTuple):
    """An entry and the catalog that it is from."""

    entry: Entry
    catalog: Catalog


def parser() -> Parser:
    made = command_parser(
        NAME, "[PATH ...] [options]",
        "List LoRA files: what each is, what it fits and what is wrong with it. Files are read by "
        "their header alone, and the list is remembered for the next time.",
    )
    add_paths(made, "list")
    _add_filters(made)
    add_common(made)
    return made


def _add_filters(made: Parser) -> None:
    add = made.add_argument
    add("--search", default="", metavar="TEXT",
        help="words that must occur in name, title, folder, trigger words, tags or notes")
    add("--family", action="append", default=[], metavar="ID",
        help="sdxl, flux1 ..., or unknown; repeatable")
    add("--type", action="append", default=[], metavar="NAME", help="lora, loha ...; repeatable")
    add("--status", action="append", default=[], choices=get_args(Status),
        metavar="NAME", help="ok, broken, unfinished or not_a_lora; repeatable")
    add("--folder", default="", metavar="PATH", help="only what lies below it, from the root on")
    add("--tag", action="append", default=[], metavar="TAG", help="must have it; repeatable")
    add("--favourite", action="store_true", help="only those with a star")
    add("--fault", action="store_true", help="only those with a fault")
    add("--checkpoint", metavar="WHAT",
        help="say for each whether it fits: 'demo', a .safetensors file or a diffusers folder")
    add("--verdict", action="append", default=[], choices=_VERDICTS, metavar="NAME",
        help="with --checkpoint: fits, partly, no_effect, unknown or broken; repeatable")
    add("--sort", default="path", choices=get_args(Sort), metavar="KEY",
        help="name, path, added, modified, size, rating, family or relevance (default: path)")
    add("--descending", action="store_true", help="the other way round")
    add("--limit", type=positive, metavar="N", help="the first N only")


def run(arguments: argparse.Namespace) -> int:
    _check(arguments)
    checkpoint = arguments.checkpoint and classify_checkpoint(checkpoint_path(arguments.checkpoint))
    catalogs: list[Catalog] = []

    def show(listed: list[Listed]) -> None:
        _print([one.entry for one in listed], catalogs, verdicts=bool(checkpoint))

    with ExitStack() as stack:
        found = _listed(arguments, checkpoint or None, catalogs, stack)
        _, code = answer(found, arguments.json, _row, show)
    return code


def _check(arguments: argparse.Namespace) -> None:
    """What can be seen to be a slip before anything is read."""
    if arguments.verdict and not arguments.checkpoint:
        raise InputError("--verdict", "there is no checkpoint to judge by", "--checkpoint too")
    for word in arguments.family:
        check_family(word, _UNKNOWN)


def _listed(
    arguments: argparse.Namespace, checkpoint: CheckpointFacts | None, catalogs: list[Catalog],
    stack: ExitStack,
) -> Iterator[Listed | Refused]:
    """All entries, from one catalog for the folders and one for single files."""
    folders, files = [], []
    for word in arguments.paths:
        path = path_of(word).absolute()
        if is_folder(path):
            folders.append(path)
        elif is_file(path) and path.name.lower().endswith(SUFFIXES):
            files.append(path)
        else:
            yield Refused(word, _no_model(word))
    if folders or not arguments.paths:
        roots = folders or roots_of(arguments)
        catalogs.append(stack.enter_context(open_catalog(arguments, roots)))
        catalogs[-1].refresh()
    if files:
        parents = tuple(dict.fromkeys(path.parent for path in files))
        catalogs.append(stack.enter_context(Catalog(parents)))
        catalogs[-1].refresh(files)
    every = (one for catalog in catalogs for one in _of_catalog(arguments, checkpoint, catalog))
    yield from islice(every, arguments.limit)


def _no_model(word: str) -> InputError:
    if is_file(path_of(word)):
        return InputError(word, "it has not the name of a model file", " or ".join(SUFFIXES),
                          "'inspect' and 'doctor' look at any file.")
    return no_file(word)


def _of_catalog(
    arguments: argparse.Namespace, checkpoint: CheckpointFacts | None, catalog: Catalog
) -> Iterator[Listed]:
    judged = catalog.judge(checkpoint) if checkpoint else ""
    for entry in catalog.entries(query_of(arguments, judged)):
        yield Listed(entry, catalog)


def query_of(arguments: argparse.Namespace, checkpoint: str) -> Query:
    return Query(
        text=arguments.search, types=tuple(arguments.type),
        families=tuple("" if word == _UNKNOWN else word for word in arguments.family),
        statuses=tuple(arguments.status), verdicts=tuple(arguments.verdict),
        checkpoint=checkpoint, folder=_folder(arguments.folder), tags=tuple(arguments.tag),
        favourite=True if arguments.favourite else None,
        has_fault=True if arguments.fault else None, sort=arguments.sort,
        descending=arguments.descending, limit=arguments.limit,
    )


def _folder(word: str) -> str:
    """`./styles/` is `styles`; on Windows also with backslashes."""
    parts = word.replace(os.sep, "/").split("/")
    return "/".join(part for part in parts if part not in ("", "."))


def _row(one: Listed) -> dict[str, Any]:
    return entry_row(one.entry, one.catalog.metadata(one.entry))


_COLUMNS = (
    Column("Name", 32), Column("Family", 12), Column("Type", 8), Column("Rank", 4, right=True),
    Column("Size", 9, right=True, drop=1), Column("Status", 15),
    Column("Trigger words", 20, cut=True, drop=2),
)
_VERDICT = Column("Verdict", 9)


def _print(entries: list[Entry], catalogs: list[Catalog], *, verdicts: bool) -> None:
    columns = [*_COLUMNS[:1], _VERDICT, *_COLUMNS[1:]] if verdicts else _COLUMNS
    if entries:
        print_table(columns, [_cells(entry, verdict=verdicts) for entry in entries])
    for catalog in catalogs:
        for note in catalog.notes:
            print(f"note: {clean(note)}")
    faults = sum(entry.facts.fault is not None for entry in entries)
    print(count(len(entries), "file")
          + (f", {faults} with a fault ('doctor' explains them)" if faults else ""))


def _cells(entry: Entry, *, verdict: bool) -> list[Any]:
    facts = entry.facts
    cells = [
        ("* " if entry.user.favourite else "") + display_name(entry), _family(entry),
        ", ".join(facts.types) or facts.kind, facts.rank, size_text(entry.file.size),
        status_text(entry), ", ".join(entry.summary.trigger_words),
    ]
    if verdict:
        cells.insert(1, entry.verdict.replace("_", " "))
    return cells


def display_name(entry: Entry) -> str:
    """The id as a prompt can use it: without the suffix that nearly all files have."""
    return entry.file.id.removesuffix(".safetensors")


def status_text(entry: Entry) -> str:
    """`ok`, or in one word why not."""
    if entry.presence == "offline":
        return "offline"
    fault = entry.facts.fault
    return fault.code if fault else entry.facts.status


def _family(entry: Entry) -> str:
    readable = entry.facts.types and entry.facts.status != "not_a_lora"
    return family_text(entry) or ("unknown" if readable else "")
