"""`hash`: computes the hashes of files, the whole file's and the tensors', in one pass each."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loradex.catalog.catalog import Catalog
from loradex.catalog.records import Query
from loradex.errors import LoradexError
from loradex.files.hashes import hash_file

from standalone.arguments import Parser
from standalone.commands.shared import (
    Refused,
    add_common,
    add_paths,
    answer,
    command_parser,
    is_file,
    is_folder,
    no_file,
    path_of,
)
from standalone.commands.sources import Sources, file_at
from standalone.commands.tables import Column, print_table

NAME = "hash"
_PRESENT = Query(sort="path", limit=None, presence=("present",))
_COLUMNS = (Column("Name", 24), Column("AutoV2", 10), Column("AutoV3", 12),
            Column("SHA-256", 64, drop=1))

Row = dict[str, Any]


def parser() -> Parser:
    made = command_parser(
        NAME, "[PATH ...] [options]",
        "Compute the SHA-256 of each file and of its tensors (AutoV3), from the bytes; a hash that "
        "a header claims is never taken over. What was hashed before is not read again.",
    )
    add_paths(made, "hash")
    add_common(made)
    return made


def run(arguments: argparse.Namespace) -> int:
    with Sources(arguments) as sources:
        found = _hashed(sources, arguments.paths)
        _, code = answer(found, arguments.json, dict, _print)
    return code


def _hashed(sources: Sources, words: list[str]) -> Iterator[Row | Refused]:
    if not words:
        yield from _of_catalog(sources.usual())
    for word in words:
        path = path_of(word)
        try:
            if is_file(path):
                file = file_at(path)
                made = hash_file(file.path)
                yield _row(file.path, file.id, made.sha256, made.tensor_sha256)
            elif is_folder(path):
                yield from _of_catalog(sources.folder(path))
            else:
                yield Refused(word, no_file(word))
        except LoradexError as error:
            yield Refused(word, error)


def _of_catalog(catalog: Catalog) -> Iterator[Row]:
    _hash_all(catalog)
    for entry in catalog.entries(_PRESENT):
        yield _row(entry.file.path, entry.file.id, entry.sha256, entry.tensor_sha256)


def _row(path: Path, identifier: str, sha256: str, tensor_sha256: str) -> Row:
    return {
        "path": str(path), "id": identifier, "sha256": sha256 or None,
        "tensor_sha256": tensor_sha256 or None, "autov2": sha256[:10] or None,
        "autov3": tensor_sha256[:12] or None,
    }


def _print(rows: list[Row]) -> None:
    print_table(
        _COLUMNS, [(row["id"], row["autov2"], row["autov3"], row["sha256"]) for row in rows])


def _hash_all(catalog: Catalog) -> None:
    """Hashes what is left to hash, with a bar on the terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"),
        TimeRemainingColumn(), console=Console(stderr=True), transient=True,
        disable=not sys.stderr.isatty(),
    )
    with bar, catalog.hasher as hasher:
        task = bar.add_task("Hashing", total=None)
        while not hasher.wait_idle(0.2):
            progress = hasher.progress()
            bar.update(task, completed=progress.done, total=progress.total)
