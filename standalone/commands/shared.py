"""What the catalog's commands have in common: folders, the catalog itself, what they print."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from loradex.catalog.catalog import Catalog
from loradex.catalog.details import Details, inspect_file
from loradex.catalog.inspect import Inspector
from loradex.catalog.scan import SUFFIXES, NetworkFile
from loradex.errors import InputError

from standalone.arguments import EXIT_CODES, PROGRAM, Formatter, Parser
from standalone.folders import HOME_VARIABLE, catalog_home, lora_roots
from standalone.records import DEMO


def command_parser(name: str, words: str, about: str) -> Parser:
    """A parser with the options that every command of the catalog has."""
    return Parser(
        f"{PROGRAM} {name}", usage=f"{PROGRAM} {name} {words}".strip(), formatter_class=Formatter,
        allow_abbrev=False, description=about, epilog=EXIT_CODES,
    )


def add_common(parser: argparse.ArgumentParser) -> None:
    """The options of every command; called last, so that they stand last in the help."""
    add = parser.add_argument
    add("--lora-dir", type=Path, action="append", default=[], metavar="FOLDER",
        help="where LoRAs are looked for; may be repeated (default: models/Lora and the demo's "
             "own)")
    add("--json", action="store_true", help="print JSON lines: one object per file, nothing else")
    add("--home", type=Path, metavar="FOLDER",
        help=f"where the index and your stars and tags are kept (default: ${HOME_VARIABLE}, else "
             "your account's folder for program data)")


def roots_of(arguments: argparse.Namespace, paths: Sequence[Path] = ()) -> tuple[Path, ...]:
    """The folders to look in: those among `paths`, else `--lora-dir`, else the usual ones.

    Raises:
        InputError: a folder that does not exist.
    """
    chosen = tuple(path for path in paths if path.is_dir()) or tuple(arguments.lora_dir)
    for folder in chosen:
        if not folder.is_dir():
            raise InputError(str(folder), "no such folder", "a folder of LoRAs",
                             "Check --lora-dir.")
    return tuple(folder.absolute() for folder in chosen or lora_roots())


def open_catalog(arguments: argparse.Namespace, roots: Sequence[Path]) -> Catalog:
    """The catalog of these folders; its index lies in the user's own data folder."""
    return Catalog(roots, catalog_home(roots, arguments.home))


def file_at(path: Path) -> NetworkFile:
    """A file that the user named by its path.

    Raises:
        InputError: there is no such file, or it is not one that can hold a network.
    """
    if not path.is_file():
        raise InputError(str(path), "no such file", "a LoRA file or its name", "Check the path.")
    full = path.absolute()
    stat = full.stat()
    return NetworkFile(
        full.name, full.stem, full, full.parent, stat.st_size, stat.st_mtime_ns, stat.st_ino,
        stat.st_ctime_ns,
    )


def is_path(word: str) -> bool:
    """Whether a word on the command line means a file on disk rather than a LoRA's name."""
    path = Path(word)
    return path.is_file() or (path.suffix.lower() in SUFFIXES and len(path.parts) > 1)


def print_json(rows: Iterable[Mapping[str, Any]]) -> None:
    """One object per line; what a terminal's encoding lacks is escaped, never lost."""
    ascii_only = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    for row in rows:
        sys.stdout.write(json.dumps(row, ensure_ascii=ascii_only) + "\n")
    sys.stdout.flush()


def add_networks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("networks", nargs="+", metavar="LORA",
                        help="a file's path, or a LoRA's name as in <lora:NAME>")


def details_of(arguments: argparse.Namespace, words: Sequence[str]) -> list[Details]:
    """The networks that words on the command line mean: paths, or names in the folders.

    Raises:
        InputError, NetworkNotFoundError, AmbiguousNameError: a word means no file, or several.
    """
    named = [word for word in words if not is_path(word)]
    inspector = Inspector()
    found = {
        word: inspect_file(file_at(Path(word)), inspector) for word in words if is_path(word)
    }
    if named:
        with open_catalog(arguments, roots_of(arguments)) as catalog:
            catalog.refresh()
            found.update({word: catalog.details(catalog.entry(word)) for word in named})
    return [found[word] for word in words]


EXIT_FOUND = 3
"""What `--exit-code` gives when there is something to report; 1 and 2 mean other things."""


def add_exit_code(parser: argparse.ArgumentParser, when: str) -> None:
    parser.add_argument("--exit-code", action="store_true",
                        help=f"end with {EXIT_FOUND} instead of 0 when {when}")


def checkpoint_path(word: str) -> Path:
    """The file or folder of a checkpoint's name."""
    if word == DEMO:
        from standalone.demo import DEMO_CHECKPOINT

        return DEMO_CHECKPOINT
    return Path(word)
