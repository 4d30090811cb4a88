"""Replacing functions of classes, once for each owner, and putting them back."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

originals: defaultdict[str, dict[tuple[Any, str], Any]] = defaultdict(dict)


def patch(key: str, obj: Any, field: str, replacement: Any) -> Any:
    place = (obj, field)
    if place in originals[key]:
        raise RuntimeError(f"patch for {field} is already applied")
    before = getattr(obj, field)
    originals[key][place] = before
    setattr(obj, field, replacement)
    return before


def undo(key: str, obj: Any, field: str) -> None:
    place = (obj, field)
    if place not in originals[key]:
        raise RuntimeError(f"there is no patch for {field} to undo")
    setattr(obj, field, originals[key].pop(place))


def original(key: str, obj: Any, field: str) -> Any:
    return originals[key].get((obj, field))
