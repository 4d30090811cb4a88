"""The name of the folder that holds the index of some roots, the same whatever their order."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from loradex.catalog.reading.peek import digest

_DIGITS = 12


def folder_of(base: Path, roots: Iterable[Path]) -> Path:
    """The folder below `base` for the index of these roots."""
    names = sorted(os.path.normcase(root.absolute()) for root in roots)
    return base / f"catalog-{digest(*(os.fsencode(name) for name in names))[:_DIGITS]}"
