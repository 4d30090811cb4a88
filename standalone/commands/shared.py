"""What the catalog's commands have in common: options, folders, and how answers are printed."""

from __future__ import annotations

import argparse
import difflib
import json
import os
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from loradex.catalog.catalog import DATABASE, Catalog
from loradex.compat.families import FAMILIES
from loradex.errors import InputError, LoradexError

from standalone.arguments import EXIT_CODES, PROGRAM, Formatter, Parser
from standalone.folders import HOME_VARIABLE, catalog_home, lora_roots
from standalone.records import DEMO

BAD_INPUT = 2
EXIT_FOUND = 3
"""What `--exit-code` gives when there is something to report; 1 and 2 mean other things."""

Found = TypeVar("Found")


@dataclass(frozen=True)
class Refused:
    """A word of the command line that led to nothing; the others are answered all the same."""

    word: str
    error: LoradexError


def command_parser(name: str, words: str, about: str, *, found: str = "") -> Parser:
    """A parser with the exit codes of the catalog's commands; `found` is when there is a 3."""
    codes = EXIT_CODES + (f"  {EXIT_FOUND}  with --exit-code: {found}\n" if found else "")
    return Parser(
        f"{PROGRAM} {name}", usage=f"{PROGRAM} {name} {words}".strip(), formatter_class=Formatter,
        allow_abbrev=False, description=fill(about), epilog=codes,
    )


def fill(text: str) -> str:
    """A description as wide as the rest of the help."""
    return textwrap.fill(text, 78)


def add_common(parser: argparse.ArgumentParser, each: str = "file") -> None:
    """The options of every command; called last, so that they stand last in the help."""
    add = parser.add_argument
    add("--lora-dir", type=path_of, action="append", default=[], metavar="FOLDER",
        help="where LoRAs are looked for; may be repeated (default: models/Lora and the demo's "
             "own)")
    add("--json", action="store_true",
        help=f"print JSON lines: one object per {each}, nothing else")
    add("--home", type=path_of, metavar="FOLDER",
        help=f"where the index and your stars and tags are kept (default: ${HOME_VARIABLE}, else "
             "your account's folder for program data)")


def add_exit_code(parser: argparse.ArgumentParser, when: str) -> None:
    parser.add_argument("--exit-code", action="store_true",
                        help=f"end with {EXIT_FOUND} instead of 0 when {when}")


def add_networks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("networks", nargs="+", metavar="LORA",
                        help="a file's path, a folder, or a LoRA's name as in <lora:NAME>")


def add_paths(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("paths", nargs="*", metavar="PATH",
                        help=f"files or folders to {what} instead of --lora-dir")


def positive(word: str) -> int:
    """A whole number from 1, for argparse."""
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is no whole number from 1")
    return int(word)


def check_family(word: str, *others: str) -> None:
    """
    Raises:
        InputError: a word that is the id of no family.
    """
    known = [*dict.fromkeys(one.id for one in FAMILIES), *others]
    if word not in known:
        near = difflib.get_close_matches(word.lower(), known, 1)
        step = f"Did you mean {near[0]!r}?" if near else f"Known are {', '.join(known)}."
        raise InputError("--family", f"{word!r} is no family", "", step)


def path_of(word: str) -> Path:
    """A path as it was typed; `~` is the home folder also where no shell has seen to it."""
    try:
        return Path(word).expanduser()
    except RuntimeError:  # `~nobody`: there is no such user
        return Path(word)


def is_file(path: Path) -> bool:
    """Also for names that no file can have, such as one of 300 letters."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def no_file(word: str, expected: str = "") -> InputError:
    """The refusal of a path."""
    found = "it is neither" if os.access(path_of(word), os.F_OK) else "no such file or folder"
    return InputError(word, found, expected, "Check the path.")


def roots_of(arguments: argparse.Namespace) -> tuple[Path, ...]:
    """The folders to look in: `--lora-dir`, else the usual ones.

    A folder that is not there is an error, unless its files are known from before: then its drive
    is offline, and what is known of them can be shown.

    Raises:
        InputError: a folder that does not exist.
    """
    chosen = tuple(arguments.lora_dir) or lora_roots()
    known = (catalog_home(chosen, arguments.home) / DATABASE).is_file()
    for folder in chosen:
        if not is_folder(folder) and (not known or os.access(folder, os.F_OK)):
            raise InputError(str(folder), "no such folder", "a folder of LoRAs",
                             "Check --lora-dir.")
    return tuple(folder.absolute() for folder in chosen)


def open_catalog(arguments: argparse.Namespace, roots: Sequence[Path]) -> Catalog:
    """The catalog of these folders; its index lies in the user's own data folder.

    Raises:
        InputError: the index cannot be kept there.
    """
    home = catalog_home(roots, arguments.home)
    try:
        home.mkdir(parents=True, exist_ok=True)
        return Catalog(roots, home)
    except OSError as error:
        raise InputError(
            str(home), f"the index cannot be kept there ({error.strerror or error})",
            "a folder that can be written", f"Name another with --home or {HOME_VARIABLE}.",
        ) from None


def print_json(rows: Iterable[Mapping[str, Any]]) -> None:
    """One object per line; what a terminal's encoding lacks is escaped, never lost."""
    ascii_only = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    for row in rows:
        sys.stdout.write(json.dumps(row, ensure_ascii=ascii_only) + "\n")
        sys.stdout.flush()


def answer(
    found: Iterable[Found | Refused], as_json: bool, row: Callable[[Found], Mapping[str, Any]],
    show: Callable[[list[Found]], None],
) -> tuple[list[Found], int]:
    """Prints what was found, then what was not; gives what was found and the exit code."""
    good: list[Found] = []
    refused: list[Refused] = []

    def rows() -> Iterator[Mapping[str, Any]]:
        for one in found:
            if isinstance(one, Refused):
                refused.append(one)
                yield {"path": one.word, "error": one.error.as_dict()}
            else:
                good.append(one)
                yield row(one)

    if as_json:
        print_json(rows())
    else:
        for one in found:
            refused.append(one) if isinstance(one, Refused) else good.append(one)
        if good or not refused:
            show(good)
    return good, tell_refused(refused)


def tell_refused(refused: Iterable[Refused]) -> int:
    """One line on stderr for each; the exit code."""
    code = 0
    sys.stdout.flush()  # the lines come behind the rest also where both go to one file
    for one in refused:
        print("error: " + " ".join(str(one.error).split()), file=sys.stderr)
        code = BAD_INPUT
    return code


def checkpoint_path(word: str) -> Path:
    """The file or folder of a checkpoint's name."""
    if word == DEMO:
        from standalone.demo import DEMO_CHECKPOINT

        return DEMO_CHECKPOINT
    return path_of(word)
