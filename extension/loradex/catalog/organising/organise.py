"""Moves, renames, throws away and describes files with their companions; all can be undone."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from loradex.catalog.disk.scan import SUFFIXES
from loradex.catalog.organising import edits as changes_of
from loradex.catalog.organising.carrier import Carrier
from loradex.catalog.organising.edits import Shelf
from loradex.catalog.organising.inverse import Inverse
from loradex.catalog.organising.journal import Journal
from loradex.catalog.organising.operations import Kind, Operation, Row, Step, Write, reason
from loradex.catalog.organising.pictures import (
    IncomingPicture,
    steps_to_put,
    steps_to_remove,
)
from loradex.catalog.organising.places import Places
from loradex.catalog.organising.plan import Plan, Planner, Target
from loradex.catalog.organising.portable import check_name
from loradex.catalog.organising.recovery import Recovery
from loradex.catalog.organising.settle_rows import Inspect, settle_rows
from loradex.catalog.organising.trash import SystemTrash, Trash
from loradex.catalog.reading.inspect import Inspector
from loradex.catalog.records import Change, Entry
from loradex.errors import InputError, LoradexError
from loradex.files.user_json import write_user_json

_SHOWN_CONFLICTS = 3


class Organiser:
    """The one way in which files below the roots are changed.

    Everything is checked first and written down in the journal; then all of an operation happens
    or none of it. What cannot be done raises InputError before anything was touched; what failed
    on the way was put back and comes as an Operation with `problems`. Folders are made where a
    target needs them and never removed.
    """

    def __init__(
        self, store: Shelf, roots: Sequence[Path], journal: Journal,
        trash: Trash | None = None, inspect: Inspect | None = None,
        on_changes: Callable[[tuple[Change, ...]], None] | None = None,
        turn: AbstractContextManager[object] | None = None,
    ) -> None:  # fmt: skip
        """`turn` is held while files change: whoever reconciles holds it too."""
        self._store = store
        self._places = Places(roots)
        self._journal = journal
        self._trash = trash or SystemTrash()
        self._inspect = inspect or Inspector().inspect
        self._on_changes = on_changes
        self._disk = turn or nullcontext()

    def move(
        self, keys: Iterable[int], folder: str, root: Path | None = None, dry_run: bool = False
    ) -> Operation:
        """Into a folder below a root (each file's own without one); '' is the root itself."""
        with self._turn():
            targets = []
            for entry in self._entries(keys):
                place = self._places.folder(folder, root or entry.file.root)
                path = entry.file.path
                there = os.path.realpath(path.parent) == os.path.realpath(place.path)
                targets.append(Target(entry.key, path, path if there else place.path / path.name))
            return self._relocate("move", targets, dry_run)

    def rename(self, key: int, name: str, dry_run: bool = False) -> Operation:
        """Gives a model and its companions another name; the suffix may be left out."""
        with self._turn():
            (entry,) = self._entries([key])
            model = entry.file.path
            target = model.with_name(_with_suffix(name, model))
            return self._relocate("rename", [Target(key, model, target)], dry_run)

    def trash(self, keys: Iterable[int], dry_run: bool = False) -> Operation:
        """Into the system's bin, with all companions that no other model shares."""
        with self._turn():
            targets = [Target(e.key, e.file.path, None) for e in self._entries(keys)]
            return self._relocate("trash", targets, dry_run)

    def edit(self, keys: Iterable[int], dry_run: bool = False, **changes: Any) -> Operation:
        """Sets favourite, rating, tags, notes or family; `add_tags`, `remove_tags` for many."""
        with self._turn():
            edits = changes_of.plan_edits(self._entries(keys, offline_too=True), changes)
            paths = dict.fromkeys(edit.path for edit in edits)
            steps = tuple(_still(path, "edit") for path in paths)
            return self._carry_out(_new("edit", steps=steps, edits=edits), dry_run)

    def describe(self, key: int, changes: Mapping[str, Any], dry_run: bool = False) -> Operation:
        """Writes AUTOMATIC1111's NAME.json beside a model, by merge."""
        with self._turn():
            (entry,) = self._entries([key])
            model = entry.file.path
            path = model.with_name(f"{model.stem}.json")
            # What a link leads to is written, and set back by an undo; the link itself stays.
            real = Path(os.path.realpath(path)) if path.is_symlink() else path
            write = Write(real, changes_of.read_bytes(real), None)
            operation = _new("describe", steps=(_still(path, "write"),), writes=(write,),
                             rows=(Row(key, model, model),))  # fmt: skip
            return self._carry_out(operation, dry_run, lambda: write_user_json(model, changes))

    def picture(self, key: int, came: IncomingPicture | None) -> Operation:
        """Puts a picture beside a model instead of those it has; without one removes the shown."""
        with self._turn():
            (entry,) = self._entries([key])
            model = entry.file.path
            self._places.place(model.parent)
            steps = steps_to_remove(entry) if came is None else steps_to_put(entry, came)
            row = Row(key, model, model)
            return self._carry_out(_new("picture", steps=steps, rows=(row,)), dry_run=False)

    def undo(self, operation_id: str | None = None, dry_run: bool = False) -> Operation:
        """Takes an operation back: the last that can be, or that of an id.

        An undo is an operation itself; undoing it does the first one again.

        Raises:
            InputError: there is none, or the files are no longer as it left them.
        """
        with self._turn():
            return self._carry_out(self._inverse(self._wanted(operation_id)), dry_run)

    def redo(self) -> Operation:
        """Takes back the last undo, while nothing else was done after it."""
        last = next((op for op in self.history() if op.done and not op.undone_by), None)
        if last is None or last.kind != "undo":
            raise InputError("The journal", "there is nothing to do again")
        return self.undo(last.id)

    def history(self, limit: int = 100) -> tuple[Operation, ...]:
        """The last operations, newest first."""
        return self._journal.operations()[::-1][:limit]

    def recover(self) -> tuple[Operation, ...]:
        """Finishes or puts back what a crash cut off; every operation begins with it."""
        with self._disk, self._journal.working():
            return self._recover()

    def _recover(self) -> tuple[Operation, ...]:
        settled = []
        for operation in self._journal.unfinished():
            ended = Recovery(operation, self._store, self._trash).settle()
            self._journal.end(ended)
            self._tell(ended)
            settled.append(ended)
        return tuple(settled)

    def _entries(self, keys: Iterable[int], offline_too: bool = False) -> list[Entry]:
        wanted = tuple(dict.fromkeys(keys))
        found = {entry.key: entry for entry in self._store.get_many(wanted)}
        for key in wanted:
            entry = found.get(key)
            if entry is None or entry.presence == "gone":
                raise InputError(f"Entry {key}", "it is not in the library",
                                 next_step="Let the list catch up.")  # fmt: skip
            if entry.presence == "offline" and not offline_too:
                raise InputError(entry.file.id, "its folder is offline",
                                 next_step="Connect its drive first.")  # fmt: skip
        return [found[key] for key in wanted]

    def _relocate(self, kind: Kind, targets: Sequence[Target], dry_run: bool) -> Operation:
        plan = Planner(self._places).plan(targets)
        return self._carry_out(_of_plan(kind, plan), dry_run)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        with self._disk, self._journal.working():
            self._recover()
            yield

    def _carry_out(
        self, operation: Operation, dry_run: bool, act: Callable[[], object] | None = None
    ) -> Operation:
        if dry_run:
            return operation
        if operation.problems:
            raise _refusal(operation)
        if operation.empty:
            return replace(operation, done=True)
        self._journal.begin(operation)
        try:
            ended = self._act(operation, act)
        except LoradexError:
            changes_of.put_back_edits(self._store, operation.edits)
            self._journal.forget(operation)
            raise
        if _in_vain(ended):
            self._journal.forget(ended)
            return ended
        self._journal.end(ended)
        self._tell(ended)
        return ended

    def _act(self, operation: Operation, act: Callable[[], object] | None) -> Operation:
        carrier = Carrier(operation.id, self._trash)
        problems = carrier.run([s for s in operation.steps if s.action not in ("edit", "write")])
        if not problems:
            problems = self._write(operation, act)
        written = tuple(replace(w, new=changes_of.read_bytes(w.path)) for w in operation.writes)
        return replace(operation, problems=problems, done=not problems, writes=written,
                       binned=carrier.binned)  # fmt: skip

    def _write(self, operation: Operation, act: Callable[[], object] | None) -> tuple[str, ...]:
        """User data and NAME.json; no operation has these together with moves."""
        at: Path | str = "The catalog"
        try:
            if act is not None:
                act()
            else:
                for write in operation.writes:
                    at = write.path
                    changes_of.make_write(write)
            changes_of.make_edits(self._store, operation.edits)
        except OSError as error:
            return (reason(error, at),)
        return ()

    def _tell(self, operation: Operation) -> None:
        changes = settle_rows(self._store, self._places, self._inspect, operation)
        if changes and self._on_changes is not None:
            self._on_changes(changes)

    def _wanted(self, operation_id: str | None) -> Operation:
        operations = self._journal.operations()
        if operation_id is None:
            for operation in reversed(operations):
                if operation.done and not operation.undone_by and operation.kind != "undo":
                    return operation
            raise InputError("The journal", "there is nothing to undo")
        found = next((op for op in operations if op.id == operation_id), None)
        if found is None or not found.done:
            raise InputError(operation_id, "there is no such operation that was done")
        if found.undone_by:
            raise InputError(operation_id, "it was undone already", "",
                             f"Undo {found.undone_by} to do it again.")  # fmt: skip
        return found

    def _inverse(self, operation: Operation) -> Operation:
        kind: Kind = "redo" if operation.kind == "undo" else "undo"
        plan = Inverse(operation, self._places, Planner(self._places), self._trash).make()
        back = changes_of.backwards(operation.edits)
        writes = tuple(replace(w, old=w.new, new=w.old) for w in operation.writes)
        plan.conflicts += changes_of.edit_conflicts(self._store, back)
        plan.conflicts += changes_of.write_conflicts(writes)
        return replace(_of_plan(kind, plan), edits=back, writes=writes, undoes=operation.id)


def _new(kind: Kind, **parts: Any) -> Operation:
    now = time.time()
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    return Operation(id=f"{stamp}-{secrets.token_hex(3)}", kind=kind, started=now, **parts)


def _of_plan(kind: Kind, plan: Plan) -> Operation:
    return _new(kind, steps=tuple(plan.steps), rows=tuple(plan.rows),
                problems=tuple(plan.conflicts), notes=tuple(plan.notes))  # fmt: skip


def _in_vain(operation: Operation) -> bool:
    """NAME.json that holds all of it already: nothing was written, so nothing can be undone."""
    return operation.kind == "describe" and all(w.old == w.new for w in operation.writes)


def _still(path: Path, action: Any) -> Step:
    return Step(path, path, action)


def _with_suffix(name: str, model: Path) -> str:
    """`ink v1.5` keeps the model's suffix; another model suffix would lie about the file."""
    own = name.lower().endswith(model.suffix.lower())
    if not own and name.lower().endswith(SUFFIXES):
        raise InputError(
            model.name, f"{name!r} has the suffix of another kind of file",
            f"a name that ends in {model.suffix}", "Leave the suffix out.",
        )  # fmt: skip
    whole = name if own else name + model.suffix
    check_name(whole[: -len(model.suffix)], model.name)
    return check_name(whole, model.name)


def _refusal(operation: Operation) -> InputError:
    problems = operation.problems
    shown = " ".join(problems[:_SHOWN_CONFLICTS])
    more = len(problems) - _SHOWN_CONFLICTS
    return InputError(
        "Nothing was changed", shown + (f" And {more} more." if more > 0 else "")
    )

