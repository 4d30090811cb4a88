"""`hash`: computes the hashes of files, the whole file's and the tensors', in one pass each."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from loradex.catalog.catalog import Catalog
from loradex.catalog.records import Entry, Query
from loradex.files.hashes import hash_file

from standalone.arguments import Parser
from standalone.commands.shared import (
    add_common,
    command_parser,
    file_at,
    open_catalog,
    print_json,
    roots_of,
)
from standalone.commands.tables import console, print_table

NAME = "hash"


def parser() -> Parser:
    made = command_parser(
        NAME, "[PATH ...] [options]",
        "Compute the SHA-256 of each file and of its tensors (AutoV3), from the bytes; a hash that "
        "a header claims is never taken over. What was hashed before is not read again.",
    )
    made.add_argument("paths", type=Path, nargs="*", metavar="PATH",
                      help="files or folders to hash instead of --lora-dir")
    add_common(made)
    return made


def run(arguments: argparse.Namespace) -> int:
    rows = _rows(arguments)
    if arguments.json:
        print_json(rows)
    else:
        print_table(
            ("Name", "AutoV2", "AutoV3", "SHA-256"),
            (
                (row["id"], (row["sha256"] or "")[:10], (row["tensor_sha256"] or "")[:12],
                 row["sha256"])
                for row in rows
            ),
        )
    return 0


def _rows(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    single = [path for path in arguments.paths if not path.is_dir()]
    for path in single:
        file = file_at(path)
        made = hash_file(file.path)
        yield _row(str(file.path), file.id, made.sha256, made.tensor_sha256)
    if single and len(single) == len(arguments.paths):
        return
    with open_catalog(arguments, roots_of(arguments, arguments.paths)) as catalog:
        catalog.refresh()
        _hash_all(catalog)
        for entry in _entries(catalog):
            yield _row(str(entry.file.path), entry.file.id, entry.sha256, entry.tensor_sha256)


def _row(path: str, identifier: str, sha256: str, tensor_sha256: str) -> dict[str, Any]:
    return {
        "path": path, "id": identifier, "sha256": sha256 or None,
        "tensor_sha256": tensor_sha256 or None, "autov2": sha256[:10] or None,
        "autov3": tensor_sha256[:12] or None,
    }


def _entries(catalog: Catalog) -> Iterable[Entry]:
    return catalog.entries(Query(sort="path", limit=None, presence=("present",)))


def _hash_all(catalog: Catalog) -> None:
    """Hashes what is left to hash, with a bar on the terminal."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"),
        TimeRemainingColumn(), console=console(stderr=True), transient=True,
    )
    with bar, catalog.hasher as hasher:
        task = bar.add_task("Hashing", total=None)
        while not hasher.wait_idle(0.2):
            progress = hasher.progress()
            bar.update(task, completed=progress.done, total=progress.total)
