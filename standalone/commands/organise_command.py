"""`organise`: move, rename, throw away, tag and describe LoRAs; every change can be undone."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from loradex.catalog.operations import Operation

from standalone.arguments import EXIT_CODES, PROGRAM, Formatter, Parser
from standalone.commands.actions import ACTIONS
from standalone.commands.shared import add_common, open_catalog, print_json, roots_of
from standalone.commands.tables import print_table

NAME = "organise"
_ABOUT_ALL = (
    "Change LoRA files together with all their sidecars and previews. Deletes go to the system's "
    "trash, folders are never removed, nothing is overwritten, and every change can be undone."
)


def parser() -> Parser:
    made = Parser(
        f"{PROGRAM} {NAME}", usage=f"{PROGRAM} {NAME} ACTION ... [options]",
        formatter_class=Formatter, allow_abbrev=False, description=_ABOUT_ALL,
        epilog=f"'{PROGRAM} {NAME} ACTION --help' describes an action.\n\n{EXIT_CODES}",
    )
    actions = made.add_subparsers(dest="action", metavar="ACTION", required=True, title="actions")
    for name, action in ACTIONS.items():
        child = actions.add_parser(
            name, help=action.about, description=action.about[:1].upper() + action.about[1:] + ".",
            usage=f"{PROGRAM} {NAME} {name} {action.words} [options]".replace("  ", " "),
            formatter_class=Formatter, allow_abbrev=False,
        )
        action.add(child)
        if action.changes:
            child.add_argument("--dry-run", action="store_true",
                               help="say what would be done and do nothing")
        add_common(child)
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
    if isinstance(found, Operation):
        found = [found]
    if arguments.json:
        print_json(_as_json(one) for one in found)
    else:
        _print(found, arguments)
    failed = any(isinstance(one, Operation) and one.problems for one in found)
    return 2 if failed else 0


def _as_json(one: Operation | dict[str, Any]) -> dict[str, Any]:
    if not isinstance(one, Operation):
        return one
    return {
        "operation": one.id, "kind": one.kind, "done": one.done,
        "steps": [
            {"action": step.action, "source": str(step.source),
             "target": str(step.target) if step.target else None}
            for step in one.steps
        ],
        "edits": [
            {"field": edit.field, "old": edit.old, "new": edit.new} for edit in one.edits
        ],
        "problems": list(one.problems), "notes": list(one.notes),
        "undone_by": one.undone_by or None,
    }


def _print(found: Sequence[Operation | dict[str, Any]], arguments: argparse.Namespace) -> None:
    operations = [one for one in found if isinstance(one, Operation)]
    if operations and arguments.action == "history":
        _print_history(operations)
        return
    for one in operations:
        _print_operation(one, getattr(arguments, "dry_run", False))
    rows = [one for one in found if not isinstance(one, Operation)]
    if rows:
        print_table(tuple(rows[0]), (tuple(row.values()) for row in rows), wide="files")
    elif not operations:
        print("nothing found")


def _print_operation(one: Operation, dry_run: bool) -> None:
    print_table(
        ("Action", "From", "To"),
        ((step.action, step.source, step.target or "the trash") for step in one.steps), wide="To",
    )
    for line in (*one.problems, *one.notes):
        print(f"note: {line}")
    if dry_run:
        print("nothing was changed (--dry-run)")
    elif one.done:
        print(f"done; 'organise undo {one.id}' takes it back")


def _print_history(operations: Sequence[Operation]) -> None:
    print_table(
        ("Operation", "Kind", "Files", "State"),
        (
            (one.id, one.kind, len(one.rows) or len(one.steps),
             f"undone by {one.undone_by}" if one.undone_by else "done" if one.done else "failed")
            for one in operations
        ),
        wide="State",
    )
