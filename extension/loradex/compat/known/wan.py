"""Wan 2.1 and 2.2."""

from __future__ import annotations

from loradex.compat.family import Family

FAMILIES: tuple[Family, ...] = ()
