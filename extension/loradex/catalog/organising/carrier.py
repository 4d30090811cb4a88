"""Carries out an operation's steps on the disk: all of them, or none, with everything put back."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from loradex.catalog.organising.operations import Step, reason
from loradex.catalog.organising.single_files import (
    aside_name,
    copy_durably,
    fresh_name,
    is_relative_link,
    is_same_entry,
    refuse_taken,
    remove,
    rename_new,
    same_bytes,
    sync_folder,
)
from loradex.catalog.organising.trash import Trash
from loradex.errors import LoradexError

log = logging.getLogger(__name__)


class Carrier:
    """One run of an operation. A target that exists is never overwritten.

    Sources of moves to another file system are only set aside, and removed once every step is
    done; until then each step can be taken back.
    """

    def __init__(self, operation_id: str, trash: Trash) -> None:
        self._id = operation_id
        self._trash = trash
        self._back: list[tuple[Path, Callable[[], object]]] = []
        self._leaving: list[tuple[Path, Path]] = []
        self._finally: list[Callable[[], object]] = []
        self.binned: dict[str, str] = {}

    def run(self, steps: Sequence[Step]) -> tuple[str, ...]:
        """Why it failed, and what could not be put back; nothing when all steps are done."""
        at = Path()
        try:
            for index, step in enumerate(steps):
                at = step.source
                self._step(step, index)
            for source, aside in self._leaving:
                at = source
                self._rename(source, aside)
        except OSError as error:
            return (reason(error, at), *self._put_back())
        except LoradexError as error:
            return (str(error), *self._put_back())
        except KeyboardInterrupt:
            self._put_back()  # the journal keeps it as unfinished, so the rows follow later
            raise
        self._clean_up()
        return ()

    def _step(self, step: Step, index: int) -> None:
        if step.action == "trash":
            self._throw_away(step.source)
            return
        assert step.target is not None
        if step.action == "drop":
            if not same_bytes(step.source, step.target):
                raise FileExistsError(errno.EEXIST, "both differ", str(step.target))
            self._leaving.append((step.source, aside_name(step.source, self._id, index)))
            return
        step.target.parent.mkdir(parents=True, exist_ok=True)
        fresh = fresh_name(step.target, self._id, index)
        if step.action == "copy":
            self._copy(step.source, step.target, fresh)
        else:
            self._move(step.source, step.target, fresh, index)
        if step.action == "restore":
            self._finally.append(partial(self._trash.forget, step.source))

    def _move(self, source: Path, target: Path, fresh: Path, index: int) -> None:
        if is_same_entry(source, target):
            self._rename(source, fresh)
            self._rename(fresh, target)
            return
        try:
            if not is_relative_link(source, target):
                self._rename(source, target)
                return
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
        self._copy(source, target, fresh)
        self._leaving.append((source, aside_name(source, self._id, index)))

    def _rename(self, source: Path, target: Path) -> None:
        rename_new(source, target)
        self._back.append((source, partial(rename_new, target, source)))

    def _copy(self, source: Path, target: Path, fresh: Path) -> None:
        refuse_taken(target)
        self._back.append((target, partial(fresh.unlink, missing_ok=True)))
        copy_durably(source, fresh)
        rename_new(fresh, target)
        self._back.append((target, target.unlink))
        sync_folder(target.parent)

    def _throw_away(self, source: Path) -> None:
        binned = self._trash.send(source)
        if binned is not None:
            self.binned[str(source)] = str(binned)
        self._back.append((source, partial(self._trash.restore, source, binned)))

    def _put_back(self) -> tuple[str, ...]:
        problems = []
        for path, back in reversed(self._back):
            try:
                back()
            except OSError as error:
                problems.append(f"Could not be put back: {reason(error, path)}")
            except LoradexError as error:
                problems.append(f"Could not be put back: {error}")
        return tuple(problems)

    def _clean_up(self) -> None:
        """Past the point where all is done: what fails here leaves a hidden file, nothing else."""
        for source, aside in self._leaving:
            self._finally.append(partial(remove, aside))
            self._finally.append(partial(sync_folder, source.parent))
        for each in self._finally:
            try:
                each()
            except OSError as error:
                log.warning("A file that is no longer needed was left behind: %s", error)
