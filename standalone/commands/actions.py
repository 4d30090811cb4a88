"""The actions of `organise`, one entry each: what it takes and who does it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from loradex.catalog.catalog import Catalog
from loradex.catalog.organising.duplicates import Group, find_duplicates
from loradex.catalog.organising.operations import Operation
from loradex.catalog.records import Query
from loradex.errors import InputError, NetworkNotFoundError

from standalone.commands.shared import check_family, path_of, positive

Result = Sequence[Operation] | Sequence[Group]
Add = Callable[[argparse.ArgumentParser], None]


class Action(NamedTuple):
    """One word after `organise`."""

    words: str
    about: str
    add: Add
    run: Callable[[Catalog, argparse.Namespace], Result]
    changes: bool = True
    """Whether it changes anything, and so knows `--dry-run`."""


_NAMED = "a LoRA's name as in <lora:NAME>, or its path"


def _keys(catalog: Catalog, arguments: argparse.Namespace) -> list[int]:
    return [_key(catalog, word) for word in arguments.networks]


def _key(catalog: Catalog, word: str) -> int:
    """The entry of a path as the shell completes it, else of a name."""
    path = Path(os.path.normpath(path_of(word).absolute()))
    for root in catalog.roots:
        if path.is_relative_to(root):
            found = catalog.store.find(root, path.relative_to(root).as_posix())
            if found is not None:
                return found.key
    try:
        return catalog.entry(word).key
    except NetworkNotFoundError as error:
        raise InputError(word, error.found, "", error.next_step) from None


def _own_keys(catalog: Catalog, arguments: argparse.Namespace) -> list[int]:
    """Entries whose files may be changed.

    Raises:
        InputError: a file that came with Loradex, which the next update would bring back.
    """
    from standalone.demo import DEMO_LORAS

    keys = _keys(catalog, arguments)
    for word, key in zip(arguments.networks, keys, strict=True):
        entry = catalog.store.get(key)
        if entry is not None and entry.file.path.is_relative_to(DEMO_LORAS):
            raise InputError(word, "it belongs to the bundled demo model", "a file of yours",
                             "Copy it into your own folder.")
    return keys


def _networks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("networks", nargs="+", metavar="LORA", help=_NAMED)


def _one_network(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("networks", nargs=1, metavar="LORA", help=_NAMED)


def _nothing(_: argparse.ArgumentParser) -> None:
    pass


def _add_move(parser: argparse.ArgumentParser) -> None:
    _networks(parser)
    parser.add_argument("--to", required=True, metavar="FOLDER",
                        help="a folder below the LoRA folder, made if it is not there; '' is the "
                             "LoRA folder itself")


def _move(catalog: Catalog, arguments: argparse.Namespace) -> Result:
    keys = _own_keys(catalog, arguments)
    return [catalog.organiser.move(keys, arguments.to, dry_run=arguments.dry_run)]


def _add_rename(parser: argparse.ArgumentParser) -> None:
    _one_network(parser)
    parser.add_argument("name", metavar="NAME", help="the new name, without the suffix")


def _rename(catalog: Catalog, arguments: argparse.Namespace) -> Result:
    (key,) = _own_keys(catalog, arguments)
    return [catalog.organiser.rename(key, arguments.name, dry_run=arguments.dry_run)]


def _trash(catalog: Catalog, arguments: argparse.Namespace) -> Result:
    return [catalog.organiser.trash(_own_keys(catalog, arguments), dry_run=arguments.dry_run)]


def _add_edit(parser: argparse.ArgumentParser) -> None:
    _networks(parser)
    add = parser.add_argument
    add("--tag", action="append", default=[], metavar="TAG", help="add a tag; repeatable")
    add("--untag", action="append", default=[], metavar="TAG", help="remove a tag; repeatable")
    add("--favourite", action=argparse.BooleanOptionalAction, help="give or take the star")
    add("--rating", type=int, metavar="N", help="0 to 10")
    add("--notes", metavar="TEXT", help="your own notes")
    add("--family", metavar="ID",
        help="your own word on the base model: it always wins; '' takes it back")


def _edit(catalog: Catalog, arguments: argparse.Namespace) -> Result:
    given = {
        "favourite": arguments.favourite, "rating": arguments.rating, "notes": arguments.notes,
        "family": arguments.family, "add_tags": arguments.tag or None,
        "remove_tags": arguments.untag or None,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes:
        raise InputError("organise edit", "nothing to change was given", "--tag, --rating ...")
    if arguments.family:
        check_family(arguments.family)
    keys = _keys(catalog, arguments)
    return [catalog.organiser.edit(keys, dry_run=arguments.dry_run, **changes)]


_DESCRIPTIONS = {
    "description": ("--description", "a description"),
    "activation text": ("--trigger-words", "what the prompt needs for it"),
    "negative text": ("--negative-text", "what the negative prompt needs"),
    "preferred weight": ("--preferred-strength", "the strength to begin with"),
    "notes": ("--webui-notes", "the WebUI's notes"),
}


def _add_describe(parser: argparse.ArgumentParser) -> None:
    _one_network(parser)
    for key, (option, about) in _DESCRIPTIONS.items():
        kind = float if key == "preferred weight" else str
        parser.add_argument(option, type=kind, dest=key, metavar="X" if kind is float else "TEXT",
                            help=f"{about} ('{key}' in the WebUI)")


def _describe(catalog: Catalog, arguments: argparse.Namespace) -> Result:
    given = {key: getattr(arguments, key) for key in _DESCRIPTIONS}
    changes = {key: value for key, value in given.items() if value is not None}
    if not changes:
        raise InputError("organise describe", "nothing to write was given", "--trigger-words ...")
    (key,) = _own_keys(catalog, arguments)
    return [catalog.organiser.describe(key, changes, dry_run=arguments.dry_run)]


def _add_undo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("operation", nargs="?", metavar="ID", help="default: the last one")


def _undo(catalog: Catalog, arguments: argparse.Namespace) -> Result:
    return [catalog.organiser.undo(arguments.operation, dry_run=arguments.dry_run)]


def _add_history(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--limit", type=positive, default=100, metavar="N",
                        help="the last N (default: 100)")


def _history(catalog: Catalog, arguments: argparse.Namespace) -> Result:
    return catalog.organiser.history(arguments.limit)


def _duplicates(catalog: Catalog, _: argparse.Namespace) -> Result:
    return find_duplicates(catalog.entries(Query(limit=None)))


ACTIONS = {
    "move": Action("LORA [LORA ...] --to FOLDER", "move into a folder", _add_move, _move),
    "rename": Action("LORA NAME", "give another name", _add_rename, _rename),
    "trash": Action("LORA [LORA ...]", "put into the system's trash", _networks, _trash),
    "edit": Action("LORA [LORA ...]", "set tags, star, rating, notes or family", _add_edit, _edit),
    "describe": Action("LORA", "write the WebUI's NAME.json beside a file", _add_describe,
                       _describe),
    "undo": Action("[ID]", "take an operation back", _add_undo, _undo),
    "history": Action("", "list the operations", _add_history, _history, changes=False),
    "duplicates": Action("", "list files that are there more than once", _nothing, _duplicates,
                         changes=False),
}
"""All actions in the order of the help."""
