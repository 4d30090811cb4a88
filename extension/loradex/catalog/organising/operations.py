"""What organising did or would do: steps on the disk, rows, edits and writes, as plain records."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

Action = Literal["move", "copy", "drop", "trash", "restore", "bring", "edit", "write"]
Kind = Literal["move", "rename", "trash", "edit", "describe", "picture", "undo", "redo"]


@dataclass(frozen=True)
class Step:
    """One file: where it was and where it goes; no target means the system's bin.

    `copy` leaves the source, `drop` removes a copy (the source) of a file that stays (the target),
    `restore` fetches the source out of the bin, `bring` gives a file that came in its place, `edit`
    and `write` leave the file where it is.
    """

    source: Path
    target: Path | None = None
    action: Action = "move"


@dataclass(frozen=True)
class Row:
    """The model file behind an entry, before and after; None where it is in the bin."""

    key: int
    source: Path | None
    target: Path | None
    size: int = 0
    mtime_ns: int = 0
    bystanders: tuple[str, ...] = ()
    """Files that lay beside the target already and carry its name: they were never moved."""


@dataclass(frozen=True)
class Edit:
    """One field of one entry's user data.

    The path tells whether the key still means that entry; the fingerprint finds it otherwise,
    after a broken database was built again with other keys.
    """

    key: int
    fingerprint: str
    field: str
    old: Any
    new: Any
    path: Path = Path()


@dataclass(frozen=True)
class Write:
    """One small file, before and after; None where there was none."""

    path: Path
    old: bytes | None
    new: bytes | None


@dataclass(frozen=True)
class Operation:
    """What was done, or what a dry run found."""

    id: str
    kind: Kind
    steps: tuple[Step, ...] = ()
    problems: tuple[str, ...] = ()
    """Why it was not done (everything was put back), or would be refused."""
    done: bool = False
    notes: tuple[str, ...] = ()
    """What is worth knowing and stopped nothing."""
    rows: tuple[Row, ...] = ()
    edits: tuple[Edit, ...] = ()
    writes: tuple[Write, ...] = ()
    binned: dict[str, str] = field(default_factory=dict)
    """Where the bin keeps what was thrown away, where that can be known."""
    started: float = 0.0
    """Seconds since 1970."""
    undoes: str = ""
    undone_by: str = ""

    @property
    def empty(self) -> bool:
        return not (self.steps or self.rows or self.edits or self.writes)

    def failed(self, *problems: str) -> Operation:
        return replace(self, problems=(*self.problems, *problems), done=False)


_REASONS = {
    errno.EACCES: ("the system does not permit it", "Check who owns the file and the folder."),
    errno.EPERM: ("the system does not permit it", "Check who owns the file and the folder."),
    errno.EROFS: ("the drive can only be read", "Choose a folder on another drive."),
    errno.ENOSPC: ("the drive is full", "Free some space and try again."),
    errno.EDQUOT: ("the drive is full", "Free some space and try again."),
    errno.ENOENT: ("it is no longer there", "Let the list catch up and try again."),
    errno.EEXIST: ("another file of that name is there", "Choose another name or folder."),
    errno.ENAMETOOLONG: ("the path is too long", "Choose a shorter name or folder."),
}
_WINDOWS_LOCKED = (32, 33)  # ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION


def reason(error: OSError, path: Path | str) -> str:
    """One sentence for a failure of the file system, and what to do."""
    name = Path(path).name
    if getattr(error, "winerror", None) in _WINDOWS_LOCKED:
        return f"{name}: another program has it open. Close that program and try again."
    what, step = _REASONS.get(error.errno or 0, (error.strerror or str(error), "Try again."))
    return f"{name}: {what}. {step}"
