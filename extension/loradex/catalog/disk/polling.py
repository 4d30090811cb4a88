"""Finds changes by looking at everything again, where the system tells of none."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from loradex.catalog.disk.scan import Found, Listing, Place, list_models

_SHARE = 10
"""Between two looks lies at least so many times what one takes."""


class Poller:
    """Compares each look with the one before; a root that is away keeps what it held."""

    def __init__(self, roots: Sequence[Path], seconds: float) -> None:
        self.roots = tuple(roots)
        self.pause = self._seconds = seconds
        """Seconds until the next look."""
        self._held: dict[Place, Found] | None = None
        self._away: frozenset[Path] = frozenset()

    def look(self, cancelled: Callable[[], bool]) -> tuple[list[str], list[Path]]:
        """The files that changed, and the roots that went away, came back or are seen first.

        Raises:
            CancelledError: `cancelled` returned true.
        """
        begun = time.monotonic()
        listing = list_models(self.roots, cancelled=cancelled)
        away = frozenset((*listing.offline, *listing.bare))
        held = self._held
        roots = list(self.roots) if held is None else self._turned(held, listing, away)
        changed = [] if held is None else _changes(held, listing, away)
        kept = {
            place: found for place, found in (held or {}).items() if found.folder.root in away
        }
        self._held, self._away = {**kept, **listing.found}, away
        self.pause = max(self._seconds, _SHARE * (time.monotonic() - begun))
        return changed, roots

    def _turned(
        self, held: dict[Place, Found], listing: Listing, away: frozenset[Path]
    ) -> list[Path]:
        """Roots that went away, and those that are back with files that are known."""
        back = self._away - away
        known = {
            found.folder.root for place, found in listing.found.items()
            if found.folder.root in back and place in held
        } if back else set()
        return sorted((away - self._away) | known)


def _changes(
    held: dict[Place, Found], listing: Listing, away: frozenset[Path]
) -> list[str]:
    found = listing.found
    changed = [
        _path(now) for place, now in found.items()
        if (before := held.get(place)) is None
        or before.stamp != now.stamp or before.companions_stamp != now.companions_stamp
    ]
    lost = [
        _path(before) for place, before in held.items()
        if place not in found and before.folder.root not in away
    ]
    return changed + lost


def _path(found: Found) -> str:
    return os.path.join(found.folder.path, found.name)  # noqa: PTH118 - thousands at once
