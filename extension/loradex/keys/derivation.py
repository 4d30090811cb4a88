"""How the table of one model class is made, and how its names begin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from loradex.keys.architecture import Architecture

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Derivation:
    """The function that derives a class's table from its configuration.

    `openings` are beginnings of flattened module names, one of which every name in the table
    has, in either tree: a file whose first module begins otherwise is told from this class
    without deriving anything.
    """

    build: Callable[[Config], Architecture]
    openings: tuple[str, ...]
