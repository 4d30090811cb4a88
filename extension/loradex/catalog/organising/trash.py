"""Throws files into the system's bin and fetches them back; never deletes for good instead."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol

from loradex.catalog.organising.bins import Binned, bin_folders, in_bins, info_of, notes_of
from loradex.catalog.organising.single_files import carry
from loradex.errors import InputError

_INSTALL = "Install Send2Trash (pip install Send2Trash) and try again."


class Trash(Protocol):
    """What organising needs of a bin."""

    def send(self, path: Path) -> Path | None:
        """Throws a file away; where the bin keeps it, or None where that cannot be known."""

    def find(self, original: Path, binned: Path | None = None) -> Path:
        """Where the bin keeps what lay at `original`. Raises InputError where it does not."""

    def restore(self, original: Path, binned: Path | None = None) -> None:
        """Puts a file back to where it was, never over another one."""

    def forget(self, binned: Path) -> None:
        """Removes the bin's note on a file that was taken out."""


class SystemTrash:
    """The operating system's bin, through Send2Trash."""

    def send(self, path: Path) -> Path | None:
        """Throws a file away. Raises InputError where there is no bin for it, OSError else."""
        throw = _send2trash()
        _refuse_without_bin(path)
        bins = bin_folders(path)
        before = notes_of(bins)
        try:
            throw(os.fspath(path))
        except PermissionError:
            if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
                raise
            raise _no_bin(path) from None
        if os.path.lexists(path):
            raise _no_bin(path)
        newest = max(in_bins(bins, path, before), key=_age, default=None)
        return newest.kept if newest else None

    def find(self, original: Path, binned: Path | None = None) -> Path:
        """Where the bin keeps what lay at `original`, the last that was thrown away."""
        if sys.platform in ("win32", "darwin"):
            raise InputError(original.name, "only the system can fetch it out of the bin", "",
                             "Open the bin and restore it there; the list follows.")  # fmt: skip
        if binned is not None and os.path.lexists(binned):
            return binned
        newest = max(in_bins(bin_folders(original), original), key=_age, default=None)
        if newest is None:
            raise InputError(original.name, "it is no longer in the bin")
        return newest.kept

    def restore(self, original: Path, binned: Path | None = None) -> None:
        """Puts a file back to where it was."""
        kept = self.find(original, binned)
        if os.path.lexists(original):
            raise InputError(original.name, "another file is at its old place")
        original.parent.mkdir(parents=True, exist_ok=True)
        carry(kept, original)
        self.forget(kept)

    def forget(self, binned: Path) -> None:
        """Removes the bin's note on a file that was taken out."""
        info_of(binned).unlink(missing_ok=True)


def _age(binned: Binned) -> tuple[datetime, int]:
    return binned.deleted, binned.noted_ns


def _send2trash() -> Callable[[str], None]:
    try:
        from send2trash import send2trash
    except ImportError:
        raise InputError("The bin", "Send2Trash is not installed", "", _INSTALL) from None
    return send2trash


def _refuse_without_bin(path: Path) -> None:
    """Windows deletes for good, without a word, where a drive has no bin (Send2Trash #2, #94)."""
    if sys.platform == "win32":
        import ctypes

        drive = path.absolute().drive
        fixed = 3  # DRIVE_FIXED
        if drive.startswith("\\\\") or ctypes.windll.kernel32.GetDriveTypeW(drive + "\\") != fixed:
            raise _no_bin(path)


def _no_bin(path: Path) -> InputError:
    return InputError(
        path.name, "the drive that it lies on has no bin", "",
        "Move it to a folder on a local drive first, or delete it in your file manager.",
    )  # fmt: skip
