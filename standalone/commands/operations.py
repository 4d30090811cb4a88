"""What organising did, and duplicates, as JSON and in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from loradex.catalog.organising.duplicates import Group
from loradex.catalog.organising.operations import Operation, Step
from loradex.catalog.reading.rows import time_text

from standalone.commands.tables import Column, print_table
from standalone.commands.texts import BOLD, clean, count, paragraph, size_text, styled

_KINDS = {
    "same_file": "the same file",
    "same_tensors": "the same weights under different headers",
    "same_run": "epochs of one training",
    "candidates": "as large and alike in samples; 'hash' tells whether they are one file",
}


def print_operation(one: Operation, roots: Sequence[Path], *, dry_run: bool) -> None:
    """Every file that was touched, relative to its folder, and how to take it back."""
    for line in _lines(one, roots):
        print(line)
    for line in (*one.problems, *one.notes):
        print(paragraph(f"note: {line}", 0))
    if dry_run:
        print("nothing was changed (--dry-run)")
    elif one.done and one.empty:
        print("nothing to do: it is so already")
    elif one.done:
        print(f"done; 'organise undo {one.id}' takes it back")


def _lines(one: Operation, roots: Sequence[Path]) -> Iterator[str]:
    for edit in one.edits:
        yield f"{_place(edit.path, roots)}: {edit.field} {_value(edit.old)} -> {_value(edit.new)}"
    for step in one.steps:
        if step.action != "edit":
            yield _step(step, roots)


def _step(step: Step, roots: Sequence[Path]) -> str:
    source = _place(step.source, roots)
    if step.action == "write":
        return f"write    {source}"
    target = "the system's trash" if step.target is None else _place(step.target, roots)
    if step.action == "restore":
        return f"restore  {target}"
    return f"{step.action:7}  {source} -> {target}"


def _place(path: Path, roots: Sequence[Path]) -> str:
    """A path from its folder of LoRAs on."""
    for root in roots:
        if path.is_relative_to(root):
            return clean(path.relative_to(root).as_posix())
    return clean(path)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
    return clean(text) if text not in ("", None) else "-"


def print_history(operations: Sequence[Operation]) -> None:
    if not operations:
        print("nothing was done so far")
        return
    columns = (
        Column("Operation", 22), Column("When", 16, drop=1), Column("Kind", 8),
        Column("Files", 5, right=True), Column("State", 12),
    )
    print_table(columns, [
        (one.id, time_text(one.started, local=True), one.kind, len(one.rows) or len(one.steps),
         _state(one))
        for one in operations
    ])


def _state(one: Operation) -> str:
    if one.undone_by:
        return f"undone by {one.undone_by}"
    return "done" if one.done else "failed: " + " ".join(one.problems)


def print_groups(groups: Sequence[Group]) -> None:
    for group in groups:
        print(styled(_KINDS[group.kind], BOLD))
        sure = group.kind != "candidates"  # of those nothing is known to be twice yet
        for entry in group.entries:
            best = sure and entry is group.keep
            print(clean(f"  {'keep' if best else '    '}  {entry.file.id}")
                  + (f" ({group.reason})" if best and group.reason else ""))
    wasted = sum(group.wasted_bytes for group in groups)
    print(f"{count(len(groups), 'group')}, {size_text(wasted)} to be gained" if groups
          else "no duplicates found")
