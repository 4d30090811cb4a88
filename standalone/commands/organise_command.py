"""`organise`: move, rename, throw away, tag and describe LoRAs; every change can be undone."""

from __future__ import annotations

import argparse

from loradex.catalog.organising.duplicates import Group
from loradex.catalog.organising.operations import Operation
from loradex.catalog.organising.told import group_row, operation_row

from standalone.arguments import EXIT_CODES, PROGRAM, Formatter, Parser
from standalone.commands.actions import ACTIONS
from standalone.commands.operations import (
    print_groups,
    print_history,
    print_operation,
)
from standalone.commands.shared import (
    BAD_INPUT,
    add_common,
    fill,
    open_catalog,
    print_json,
    roots_of,
)

NAME = "organise"
_ABOUT_ALL = (
    "Change LoRA files together with all their sidecars and previews. Deletes go to the system's "
    "trash, folders are never removed, nothing is overwritten, and every change can be undone."
)


def parser() -> Parser:
    listed = "".join(f"  {name:12}{action.about}\n" for name, action in ACTIONS.items())
    made = Parser(
        f"{PROGRAM} {NAME}", usage=f"{PROGRAM} {NAME} ACTION ... [options]",
        formatter_class=Formatter, allow_abbrev=False, description=fill(_ABOUT_ALL),
        # argparse's own list of them differs between Python's versions.
        epilog=f"actions:\n{listed}\n'{PROGRAM} {NAME} ACTION --help' describes an action.\n\n"
               + EXIT_CODES,
    )
    actions = made.add_subparsers(dest="action", metavar="ACTION", required=True, help="what to do")
    for name, action in ACTIONS.items():
        child = actions.add_parser(
            name, description=action.about[:1].upper() + action.about[1:] + ".",
            usage=f"{PROGRAM} {NAME} {name} {action.words} [options]".replace("  ", " "),
            formatter_class=Formatter, allow_abbrev=False,
        )
        action.add(child)
        if action.changes:
            child.add_argument("--dry-run", action="store_true",
                               help="say what would be done and do nothing")
        add_common(child, "operation" if name != "duplicates" else "group")
    return made


def action_parsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of each action, for the documentation."""
    groups = parser()._subparsers
    assert groups is not None
    return dict(groups._group_actions[0].choices)  # type: ignore[arg-type]


def run(arguments: argparse.Namespace) -> int:
    action = ACTIONS[arguments.action]
    with open_catalog(arguments, roots_of(arguments)) as catalog:
        catalog.refresh()
        found = action.run(catalog, arguments)
    operations = [one for one in found if isinstance(one, Operation)]
    groups = [one for one in found if isinstance(one, Group)]
    if arguments.json:
        print_json(operation_row(one) for one in operations)
        print_json(group_row(one) for one in groups)
    elif arguments.action == "duplicates":
        print_groups(groups)
    elif arguments.action == "history":
        print_history(operations)
    else:
        for one in operations:
            print_operation(one, catalog.roots, dry_run=arguments.dry_run)
    failed = action.changes and any(one.problems for one in operations)
    return BAD_INPUT if failed else 0
