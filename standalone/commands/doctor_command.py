"""`doctor`: every file with something wrong, in words, with what to do about it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from loradex.catalog.doctor import Finding, examine, examine_file
from loradex.catalog.downloads import unfinished_downloads
from loradex.catalog.inspect import Inspector
from loradex.catalog.records import Query

from standalone.arguments import Parser
from standalone.commands.shared import (
    EXIT_FOUND,
    add_common,
    add_exit_code,
    command_parser,
    file_at,
    open_catalog,
    print_json,
    roots_of,
)
from standalone.commands.tables import print_table

NAME = "doctor"

Row = tuple[Path, str, tuple[Finding, ...]]


def parser() -> Parser:
    made = command_parser(
        NAME, "[PATH ...] [options]",
        "Say what is wrong with LoRA files and what to do: broken or unfinished downloads, files "
        "that are something else, duplicates, damaged notes. Headers only, unless --deep.",
    )
    made.add_argument("paths", type=Path, nargs="*", metavar="PATH",
                      help="files or folders to examine instead of --lora-dir")
    made.add_argument("--deep", action="store_true",
                      help="read every tensor too: NaN, empty or absurd weights (takes seconds "
                           "per file)")
    add_exit_code(made, "anything is wrong")
    add_common(made)
    return made


def run(arguments: argparse.Namespace) -> int:
    rows = list(_rows(arguments))
    if arguments.json:
        print_json(_as_json(row) for row in rows)
    else:
        _print(rows)
    wrong = any(findings for _, _, findings in rows)
    return EXIT_FOUND if arguments.exit_code and wrong else 0


def _rows(arguments: argparse.Namespace) -> Iterator[Row]:
    inspector = Inspector()
    single = [path for path in arguments.paths if not path.is_dir()]
    for path in single:
        yield path.absolute(), path.name, examine_file(
            file_at(path), inspector, deep=arguments.deep)
    if single and len(single) == len(arguments.paths):
        return
    with open_catalog(arguments, roots_of(arguments, arguments.paths)) as catalog:
        catalog.refresh()
        entries = list(catalog.entries(Query(sort="path", limit=None)))
        for entry, findings in examine(entries, deep=arguments.deep):
            yield entry.file.path, entry.file.id, findings
        for path, note in unfinished_downloads(catalog.roots):
            yield path, path.name, (Finding(note.code, note.message, note.next_step),)


def _as_json(row: Row) -> Mapping[str, Any]:
    path, identifier, findings = row
    first = findings[0] if findings else None
    return {
        "path": str(path), "id": identifier,
        "fault": first.code if first else None, "message": first.message if first else None,
        "next_step": first.next_step if first else None,
        "findings": [
            {"fault": one.code, "message": one.message, "next_step": one.next_step}
            for one in findings
        ],
    }


def _print(rows: list[Row]) -> None:
    wrong = [row for row in rows if row[2]]
    print_table(
        ("File", "Fault", "What and what to do"),
        (
            (identifier, one.code, f"{one.message} {one.next_step}")
            for _, identifier, findings in wrong for one in findings
        ),
        wide="What and what to do",
    )
    print(f"{len(rows)} files examined, {len(wrong)} with a finding")
