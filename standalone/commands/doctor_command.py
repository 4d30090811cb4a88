"""`doctor`: every file with something wrong, in words, with what to do about it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from loradex.catalog.catalog import Catalog
from loradex.catalog.disk.downloads import unfinished_downloads
from loradex.catalog.doctor import Finding, examine, examine_file
from loradex.errors import LoradexError

from standalone.arguments import Parser
from standalone.commands.shared import (
    EXIT_FOUND,
    Refused,
    add_common,
    add_exit_code,
    add_paths,
    answer,
    command_parser,
    is_file,
    is_folder,
    no_file,
    path_of,
)
from standalone.commands.sources import ALL, Sources, file_at
from standalone.commands.texts import BOLD, clean, count, paragraph, styled

NAME = "doctor"


class Examined(NamedTuple):
    """One file with all that is wrong with it, the worst first."""

    path: Path
    id: str
    findings: tuple[Finding, ...]


def parser() -> Parser:
    made = command_parser(
        NAME, "[PATH ...] [options]",
        "Say what is wrong with LoRA files and what to do: broken or unfinished downloads, files "
        "that are something else, duplicates, damaged notes. Headers only, unless --deep.",
        found="anything is wrong",
    )
    add_paths(made, "examine")
    made.add_argument("--deep", action="store_true",
                      help="read every tensor too: NaN, empty or absurd weights (takes seconds "
                           "per file)")
    add_exit_code(made, "anything is wrong")
    add_common(made)
    return made


def run(arguments: argparse.Namespace) -> int:
    with Sources(arguments) as sources:
        found = _examined(sources, arguments.paths, deep=arguments.deep)
        examined, code = answer(found, arguments.json, _as_json, _print)
    wrong = any(one.findings for one in examined)
    return code or (EXIT_FOUND if arguments.exit_code and wrong else 0)


def _examined(sources: Sources, words: list[str], *, deep: bool) -> Iterator[Examined | Refused]:
    if not words:
        yield from _of_catalog(sources.usual(), deep=deep)
    for word in words:
        path = path_of(word)
        try:
            if is_file(path):
                file = file_at(path)
                findings = examine_file(file, sources.inspector, deep=deep)
                yield Examined(file.path, file.id, findings)
            elif is_folder(path):
                yield from _of_catalog(sources.folder(path), deep=deep)
            else:
                yield Refused(word, no_file(word))
        except LoradexError as error:
            yield Refused(word, error)


def _of_catalog(catalog: Catalog, *, deep: bool) -> Iterator[Examined]:
    for entry, findings in examine(list(catalog.entries(ALL)), deep=deep):
        yield Examined(entry.file.path, entry.file.id, findings)
    for path, note in unfinished_downloads(catalog.roots):
        finding = Finding(note.code, note.message, note.next_step)
        yield Examined(path, _id(path, catalog), (finding,))


def _id(path: Path, catalog: Catalog) -> str:
    roots = (root for root in catalog.roots if path.is_relative_to(root))
    root = next(roots, path.parent)
    return path.relative_to(root).as_posix()


def _as_json(one: Examined) -> Mapping[str, Any]:
    first = one.findings[0] if one.findings else None
    return {
        "path": str(one.path), "id": one.id,
        "fault": first.code if first else None, "message": first.message if first else None,
        "next_step": first.next_step or None if first else None,
        "findings": [
            {"fault": each.code, "message": each.message, "next_step": each.next_step or None}
            for each in one.findings
        ],
    }


def _print(examined: list[Examined]) -> None:
    wrong = [one for one in examined if one.findings]
    for one in wrong:
        print(styled(clean(one.id), BOLD))
        for each in one.findings:
            print(paragraph(f"{each.code}: {each.message}", 2))
            if each.next_step:
                print(paragraph(each.next_step, 4))
    what = count(len(wrong), "needs a look", "need a look") if wrong else "nothing is wrong"
    print(f"{count(len(examined), 'file')} examined, {what}")
