"""Reads the bins of freedesktop.org systems: which file lay where, and when it was thrown away."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote_to_bytes

_SUFFIX = ".trashinfo"


@dataclass(frozen=True)
class Bin:
    """A folder with `files` and `info`; relative paths in it begin at `top`."""

    folder: Path
    top: Path


@dataclass(frozen=True)
class Binned:
    """One file in a bin."""

    kept: Path
    original: Path
    deleted: datetime
    """In local time, to the second."""
    noted_ns: int
    """When the note was written, to tell two of one second apart."""


def bin_folders(path: Path) -> tuple[Bin, ...]:
    """The bins in which `path` may have landed: the user's own and those of its drive.

    Trash specification 1.0 (specifications.freedesktop.org/trash-spec): the home bin is
    $XDG_DATA_HOME/Trash; a drive has $top/.Trash/$uid, or $top/.Trash-$uid. The specification
    wants absolute paths in the home bin; Send2Trash writes some relative to $XDG_DATA_HOME.
    """
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    bins = [Bin(data / "Trash", data)]
    if hasattr(os, "getuid"):
        top, user = _mount_point(path), os.getuid()
        shared = top / ".Trash"
        if shared.is_dir() and not shared.is_symlink():  # as the specification demands
            bins.append(Bin(shared / str(user), top))
        bins.append(Bin(top / f".Trash-{user}", top))
    return tuple(bins)


def notes_of(bins: Sequence[Bin]) -> list[set[str]]:
    """The names of each bin's notes; listed before and after, they tell which one is new."""
    return [_names(each.folder / "info") for each in bins]


def in_bins(
    bins: Sequence[Bin], original: Path, before: Sequence[set[str]] = ()
) -> Iterator[Binned]:
    """What the bins keep of the file that lay at `original`, but for notes that were there before.

    Damaged notes are passed over.
    """
    wanted = _exact(original)
    for each, old in zip(bins, before or [set()] * len(bins), strict=True):
        for name in _names(each.folder / "info") - old:
            found = _read(each, name)
            if found is not None and _exact(found.original) == wanted:
                yield found


def info_of(kept: Path) -> Path:
    """The note that belongs to a file in a bin."""
    return kept.parent.parent / "info" / (kept.name + _SUFFIX)


def _names(folder: Path) -> set[str]:
    try:
        return {name for name in os.listdir(folder) if name.endswith(_SUFFIX)}  # noqa: PTH208
    except OSError:
        return set()


def _read(bin_: Bin, name: str) -> Binned | None:
    info = bin_.folder / "info" / name
    kept = bin_.folder / "files" / name[: -len(_SUFFIX)]
    try:
        lines = info.read_text("utf-8", "replace").splitlines()
        noted = info.stat().st_mtime_ns
    except OSError:
        return None
    # The first line is the group; of a key that occurs twice the first one counts.
    values = dict(line.split("=", 1) for line in reversed(lines[1:]) if "=" in line)
    if lines[:1] != ["[Trash Info]"] or not values.get("Path") or not os.path.lexists(kept):
        return None
    original = Path(bin_.top, os.fsdecode(unquote_to_bytes(values["Path"])))
    return Binned(kept, original, _date(values.get("DeletionDate", "")), noted)


def _date(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text.strip()).replace(tzinfo=None)
    except ValueError:
        return datetime.min


def _exact(path: Path) -> Path:
    """Links in the folders resolved, the file's own name as it is."""
    return Path(os.path.realpath(path.parent)) / path.name


def _mount_point(path: Path) -> Path:
    at = Path(os.path.realpath(path.parent))
    while not os.path.ismount(at):
        at = at.parent
    return at
