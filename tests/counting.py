"""Counts work instead of timing it, so that a busy machine fails no test."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def calls_in(action: Callable[[], Any]) -> int:
    """How many functions, Python's and C's, `action` calls: the same number on every machine."""
    count = 0

    def note(_frame: Any, event: str, _arg: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(before)
    return count
