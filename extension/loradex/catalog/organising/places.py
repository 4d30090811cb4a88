"""The folders that organising may touch: inside the roots, with every link followed."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loradex.catalog.disk.walk import text
from loradex.catalog.organising.portable import check_name, check_safe
from loradex.errors import InputError

_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True)
class Place:
    """A folder as the scan names it: the root that lists it, and its path with links resolved."""

    root: Path
    path: Path


class Places:
    """Answers for some roots whether a folder lies inside; the first root that holds it owns it."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self.roots = tuple(roots)

    def folder(self, folder: str, root: Path) -> Place:
        """The folder `folder` (posix, '' for the root itself) below `root`; it may not exist yet.

        Raises:
            InputError: it would leave the roots, its name cannot be used, or the root is offline.
        """
        parts = _parts(folder)
        if root not in self.roots:
            raise InputError(str(root), "this is none of the library's folders")
        if not root.is_dir():
            raise InputError(str(root), "this folder is offline", "", "Connect its drive first.")
        path = root
        for part in parts:
            path = path / _spelling(path, part, folder)
            if os.path.lexists(path) and not path.is_dir():
                raise InputError(folder, f"'{part}' is no folder", "", "Choose another folder.")
        return self.place(path)

    def id_of(self, place: Place, name: str) -> str:
        """The id that a scan gives the file `name` of a folder."""
        return text((place.path / name).relative_to(place.root).as_posix())

    def place(self, path: Path) -> Place:
        """A folder by its path. Raises InputError where links lead out of the roots."""
        real = Path(os.path.realpath(path))
        for root in self.roots:
            real_root = Path(os.path.realpath(root))
            if real == real_root or real_root in real.parents:
                return Place(root, root / real.relative_to(real_root))
        raise InputError(
            str(path), "a link in this path leads out of the library's folders", "",
            f"Add {real} as a folder of its own.",
        )  # fmt: skip


def _parts(folder: str) -> list[str]:
    """`./a//b/` is [a, b]; whatever could leave the root is refused."""
    if folder.startswith(("/", "\\")) or _DRIVE.match(folder):
        raise InputError(folder, "this is an absolute path", "a folder below the library's folder")
    parts = [part for part in folder.split("/") if part not in ("", ".")]
    for part in parts:
        check_safe(part, folder)
    return parts


def _spelling(parent: Path, part: str, folder: str) -> str:
    """A folder that exists keeps the spelling it has on the disk; a new one must be portable."""
    if not os.path.lexists(parent / part):
        return check_name(part, folder)
    names = [entry.name for entry in parent.iterdir()]
    if part in names:
        return part
    return next((name for name in names if name.casefold() == part.casefold()), part)

