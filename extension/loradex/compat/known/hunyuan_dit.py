"""HunyuanDiT."""

from __future__ import annotations

from loradex.compat.family import Family

FAMILIES: tuple[Family, ...] = ()
