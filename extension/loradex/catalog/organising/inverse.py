"""Plans the way back from an operation, as the disk is now; refuses where files changed since."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from loradex.catalog.organising.operations import Operation, Row, Step
from loradex.catalog.organising.places import Places
from loradex.catalog.organising.plan import Plan, Planner, companion_name
from loradex.catalog.organising.single_files import is_same_entry, same_bytes
from loradex.catalog.organising.trash import Trash
from loradex.errors import LoradexError

_GRAIN_NS = 2_000_000_000
"""FAT keeps times to two seconds, so a copy on it may differ by that much."""


class Inverse:
    """The steps back, last first. Nothing that lies in the way is ever overwritten."""

    def __init__(
        self, operation: Operation, places: Places, planner: Planner, trash: Trash
    ) -> None:
        self._operation = operation
        self._places = places
        self._planner = planner
        self._trash = trash
        self._models = {row.target for row in operation.rows} - {None}
        self._known = {step.target for step in operation.steps}
        self._ends = {row.source for row in operation.rows} - {None} | self._models
        self._looked_at: set[Path] = set()
        self.plan = Plan()

    def make(self) -> Plan:
        """Steps, rows and conflicts; edits and writes are `edits.py`'s."""
        for row in self._operation.rows:
            self._check(row)
        for row in self._operation.rows:
            self._newcomers(row)
        for step in reversed(self._operation.steps):
            try:
                self.plan.steps += self._back(step)
            except LoradexError as error:
                self._missing(step, str(error))
        self._companions_first()
        leaving = {step.source for step in self.plan.steps}
        self._planner.expect((row.target, row.source) for row in self._operation.rows)
        self.plan.rows = [self._row(row, leaving) for row in self._operation.rows]
        self._find_conflicts()
        return self.plan

    def _row(self, row: Row, leaving: set[Path]) -> Row:
        there: tuple[str, ...] = ()
        if row.source is not None and row.source != row.target:
            there = self._planner.bystanders(row.source, leaving)
        return replace(row, source=row.target, target=row.source, bystanders=there)

    def _check(self, row: Row) -> None:
        """The model must be the one that was moved here."""
        if row.target is None or row.target == row.source:
            return
        try:
            stat = row.target.stat() if row.target.exists() else row.target.lstat()
        except OSError:
            self.plan.conflicts.append(f"{row.target}: it is no longer there.")
            return
        if stat.st_size != row.size or abs(stat.st_mtime_ns - row.mtime_ns) > _GRAIN_NS:
            self.plan.conflicts.append(f"{row.target}: another file is there now, or it was "
                                       "changed since.")  # fmt: skip

    def _newcomers(self, row: Row) -> None:
        """What was put beside the model since goes back with it: a new preview, a description."""
        if row.target is None or row.source is None or row.target == row.source:
            return
        for name in self._planner.companions(row.target):
            path = row.target.with_name(name)
            if name in row.bystanders or path in self._known:
                continue
            back = companion_name(name, row.target.name, row.source.name)
            if back is not None and self._planner.owners(path) <= self._models:
                goes_to = row.source.with_name(back)
                self.plan.steps += [Step(path, goes_to)] if goes_to != path else []

    def _back(self, step: Step) -> Iterable[Step]:
        source, target = step.source, step.target
        if step.action in ("edit", "write"):
            yield step
        elif step.action == "trash":
            binned = self._operation.binned.get(str(source))
            kept = self._trash.find(source, Path(binned) if binned else None)
            yield Step(kept, source, "restore")
        elif target is None or not os.path.lexists(target):
            self._missing(step, f"{(target or source).name}: it is no longer there.")
        elif step.action == "move":
            yield Step(target, source)
        elif step.action == "copy":
            yield from self._uncopy(target, source)
        elif step.action == "drop":
            yield Step(target, source, "copy")
        elif step.action in ("restore", "bring"):
            yield Step(target, None, "trash")

    def _uncopy(self, copy: Path, original: Path) -> Iterable[Step]:
        if not os.path.lexists(original):
            yield Step(copy, original)
        elif same_bytes(copy, original):
            yield Step(copy, original, "drop")
        else:
            self.plan.conflicts.append(f"{copy} and {original} were one and differ now.")

    def _missing(self, step: Step, sentence: str) -> None:
        """A model that cannot come back is a reason to refuse, a sidecar is not."""
        if step.source in self._ends or step.target in self._ends:
            if sentence not in self.plan.conflicts:
                self.plan.conflicts.append(sentence)
        else:
            self.plan.notes.append(sentence)

    def _companions_first(self) -> None:
        """As in every operation: a model never lies anywhere without its files."""
        self.plan.steps = sorted(
            dict.fromkeys(self.plan.steps),
            key=lambda step: step.source in self._ends or step.target in self._ends,
        )

    def _find_conflicts(self) -> None:
        leaving = {step.source for step in self.plan.steps}
        for step in self.plan.steps:
            if step.target is None or step.action in ("drop", "edit", "write"):
                continue
            self.plan.conflicts += self._refused(step.target.parent)
            if step.target in leaving:
                continue
            taken = os.path.lexists(step.target)
            if taken and not is_same_entry(step.source, step.target):
                self.plan.conflicts.append(f"{step.target}: another file is there now.")

    def _refused(self, folder: Path) -> Iterable[str]:
        """Where a folder became a link out of the roots, or its whole root is away; said once."""
        if folder in self._looked_at:
            return
        self._looked_at.add(folder)
        try:
            root = self._places.place(folder).root
        except LoradexError as error:
            yield str(error)
        else:
            if not root.is_dir():
                yield f"{root}: this folder is offline."
