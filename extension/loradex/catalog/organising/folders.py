"""The folders below the roots: listed with those that hold nothing, and made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from loradex.catalog.disk.walk import Walk, text
from loradex.catalog.organising.operations import reason
from loradex.catalog.organising.places import Places
from loradex.errors import InputError


def list_folders(roots: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """(root, path below it with slashes) of every folder that a scan enters, the roots left out."""
    for level in Walk(tuple(roots)).levels():
        below = level.folder.below.rstrip("/")
        if below:
            yield level.folder.root, text(below)


def make_folder(folder: str, root: Path, roots: Sequence[Path]) -> str:
    """Makes a folder below a root with those above it, and returns its path below the root.

    Raises:
        InputError: it would leave the roots, its name cannot be used, or it cannot be made.
    """
    place = Places(roots).folder(folder, root)
    try:
        place.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError("Nothing was changed", reason(error, place.path)) from error
    return text(place.path.relative_to(place.root).as_posix().strip("."))
