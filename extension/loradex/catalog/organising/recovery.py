"""Finishes or takes back an operation that a crash cut off, by what is on the disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from loradex.catalog.organising.edits import Shelf, put_back_edits, read_bytes
from loradex.catalog.organising.operations import Operation, Step, reason
from loradex.catalog.organising.single_files import (
    aside_name,
    copy_durably,
    fresh_name,
    rename_new,
    same_bytes,
)
from loradex.catalog.organising.trash import Trash
from loradex.errors import LoradexError

_CUT_OFF = "The program ended in the middle of it; everything was put back."


class Recovery:
    """One look at one unfinished operation."""

    def __init__(self, operation: Operation, store: Shelf, trash: Trash) -> None:
        self._operation = operation
        self._store = store
        self._trash = trash
        self._problems: list[str] = []

    def settle(self) -> Operation:
        """The operation with its outcome: done where every step was, else put back."""
        operation = self._operation
        writes = tuple(replace(write, new=read_bytes(write.path)) for write in operation.writes)
        wrote = any(write.new != write.old for write in writes)
        if operation.edits:
            put_back_edits(self._store, operation.edits)
        elif wrote or (not writes and all(map(self._is_done, operation.steps))):
            self._tidy()
            return replace(operation, writes=writes, done=True)
        for index, step in reversed(list(enumerate(operation.steps))):
            self._try(step, partial(self._back, step, index))
        return replace(operation, writes=writes, done=False,
                       problems=(_CUT_OFF, *self._problems))  # fmt: skip

    def _is_done(self, step: Step) -> bool:
        if step.action in ("move", "trash", "drop", "bring") and os.path.lexists(step.source):
            return False
        return step.target is None or os.path.lexists(step.target)

    def _tidy(self) -> None:
        """Sources that were set aside; their copies are complete."""
        for index, step in enumerate(self._operation.steps):
            aside = aside_name(step.source, self._operation.id, index)
            self._try(step, partial(aside.unlink, missing_ok=True))

    def _try(self, step: Step, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError as error:
            self._problems.append(f"Could not be put back: {reason(error, step.source)}")
        except LoradexError as error:
            self._problems.append(f"Could not be put back: {error}")

    def _back(self, step: Step, index: int) -> None:
        if step.action == "trash":
            if not os.path.lexists(step.source):
                self._trash.restore(step.source)
            return
        if step.target is None or step.action in ("edit", "write"):
            return
        aside = aside_name(step.source, self._operation.id, index)
        if os.path.lexists(aside):
            rename_new(aside, step.source)
        if step.action != "drop":
            self._unmove(step, step.target, fresh_name(step.target, self._operation.id, index))
        if step.action == "bring":
            step.source.unlink(missing_ok=True)  # whoever sent it was never told that it is here

    def _unmove(self, step: Step, target: Path, fresh: Path) -> None:
        if os.path.lexists(fresh):
            if os.path.lexists(step.source):
                fresh.unlink()  # a copy that was never completed
            else:
                rename_new(fresh, step.source)  # between the two renames of Foo -> foo
        if not os.path.lexists(target):
            return
        if not os.path.lexists(step.source):
            _move_back(target, step.source)
        elif same_bytes(target, step.source) and not _is_one_entry(target, step.source):
            target.unlink()  # our complete copy of a source that never left
        elif step.action == "move" and not _is_one_entry(target, step.source):
            self._problems.append(f"{target}: another file is at its old place, so both stay.")


def _move_back(target: Path, source: Path) -> None:
    if target.is_symlink():
        copy_durably(target, source)
        target.unlink()
    else:
        rename_new(target, source)


def _is_one_entry(one: Path, other: Path) -> bool:
    """True for `Foo` and `foo` where a file system takes both for one file."""
    return os.path.samestat(one.lstat(), other.lstat())
