"""Operations and duplicates as plain data for programs, and as one sentence for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from loradex.catalog.organising.duplicates import Group
from loradex.catalog.organising.operations import Operation
from loradex.catalog.reading.rows import time_text

_FIELDS: Mapping[str, str] = {"favourite": "star", "family": "base model"}


def operation_row(one: Operation) -> dict[str, Any]:
    """One operation with everything that it touched."""
    return {
        "operation": one.id, "kind": one.kind, "done": one.done,
        "time": time_text(one.started),
        "steps": [
            {"action": step.action, "source": str(step.source),
             "target": str(step.target) if step.target else None}
            for step in one.steps
        ],
        "edits": [
            {"path": str(edit.path), "field": edit.field, "old": edit.old, "new": edit.new}
            for edit in one.edits
        ],
        "problems": list(one.problems), "notes": list(one.notes),
        "undone_by": one.undone_by or None,
    }


def brief_row(one: Operation, roots: Sequence[Path]) -> dict[str, Any]:
    """One operation as a list of what was done shows it."""
    return {
        "id": one.id, "kind": one.kind, "when": time_text(one.started), "done": one.done,
        "problems": list(one.problems), "notes": list(one.notes),
        "undone_by": one.undone_by or None, "can_undo": can_undo(one),
        "count": count_of(one), "title": title_of(one, roots),
    }


def group_row(group: Group) -> dict[str, Any]:
    """One group of duplicates."""
    return {
        "kind": group.kind, "keep": str(group.keep.file.path), "reason": group.reason or None,
        "wasted_bytes": group.wasted_bytes,
        "files": [str(entry.file.path) for entry in group.entries],
    }


def can_undo(one: Operation) -> bool:
    return one.done and not one.empty and not one.undone_by


def count_of(one: Operation) -> int:
    """How many models it is about."""
    return len({edit.path for edit in one.edits} | {row.key for row in one.rows}) or len(
        {write.path for write in one.writes})


def title_of(one: Operation, roots: Sequence[Path]) -> str:
    """What it did in one sentence without a full stop: `Moved 3 files to art/ink`."""
    if one.empty:
        return "Nothing had to be changed"
    return _TITLES[one.kind](one, roots)


def _moved(one: Operation, roots: Sequence[Path]) -> str:
    targets = {row.target.parent for row in one.rows if row.target is not None}
    where = f" to {_place(targets.pop(), roots)}" if len(targets) == 1 else ""
    return f"Moved {_what(one)}{where}"


def _renamed(one: Operation, _: Sequence[Path]) -> str:
    new = next((row.target.stem for row in one.rows if row.target is not None), "")
    return f"Renamed {_what(one)} to {new}"


def _edited(one: Operation, _: Sequence[Path]) -> str:
    fields = sorted({_FIELDS.get(edit.field, edit.field) for edit in one.edits})
    return f"Changed {' and '.join(fields)} of {_what(one)}"


def _pictured(one: Operation, _: Sequence[Path]) -> str:
    brought = any(step.action == "bring" for step in one.steps)
    return f"{'Changed' if brought else 'Removed'} the picture of {_what(one)}"


def _back(one: Operation, _: Sequence[Path]) -> str:
    return f"Took back a change of {_what(one)}"


_TITLES: Mapping[str, Callable[[Operation, Sequence[Path]], str]] = {
    "move": _moved,
    "rename": _renamed,
    "trash": lambda one, _: f"Moved {_what(one)} to the trash",
    "edit": _edited,
    "describe": lambda one, _: f"Changed the description of {_what(one)}",
    "picture": _pictured,
    "undo": _back,
    "redo": lambda one, _: f"Did a change of {_what(one)} again",
}


def _what(one: Operation) -> str:
    """A name where it is one file, else how many."""
    number = count_of(one)
    if number != 1:
        return f"{number} files"
    paths = [*(edit.path for edit in one.edits), *(row.source or row.target for row in one.rows),
             *(write.path for write in one.writes)]
    return next((path.stem for path in paths if path is not None), "1 file")


def _place(folder: Path, roots: Sequence[Path]) -> str:
    """A folder from its root on; the root by its own name."""
    for root in roots:
        if folder.is_relative_to(root):
            return folder.relative_to(root).as_posix().strip(".") or root.name
    return folder.name
