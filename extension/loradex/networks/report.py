"""What a run's networks did: one line each for people, one dictionary for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Count:
    """Modules of a network in one component: those that found their weight, and all."""

    matched: int
    total: int

    def __str__(self) -> str:
        return f"{self.matched}/{self.total}"


@dataclass(frozen=True)
class Applied:
    """One use of a network in a run; `skipped` says why it was not applied, else it is empty."""

    id: str
    name: str
    te_strength: float = 1.0
    unet_strength: float = 1.0
    components: Mapping[str, Count] = field(default_factory=dict)
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    skipped: str = ""
    dyn_dim: int | None = None

    def line(self) -> str:
        """`NAME  unet 64/64  te 12/12  0.03 s`, or the reason why it was left out."""
        if self.skipped:
            return f"{self.name}  skipped: {self.skipped.removeprefix(f'{self.name}: ')}"
        if not self.components:
            return f"{self.name}  off (strength 0)"
        counts = [f"{component} {count}" for component, count in self.components.items()]
        return "  ".join([self.name, *counts, f"{self.seconds:.2f} s"])

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "te_strength": self.te_strength,
            "unet_strength": self.unet_strength,
            "dyn_dim": self.dyn_dim,
            "components": {
                name: {"matched": count.matched, "total": count.total}
                for name, count in self.components.items()
            },
            "seconds": round(self.seconds, 4),
            "notes": list(self.notes),
            "skipped": self.skipped,
        }


@dataclass(frozen=True)
class RunReport:
    """All networks of a run in the order of their tags."""

    applied: tuple[Applied, ...] = ()
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    """What concerns the model and no single network, such as weights replaced by another tool."""

    def lines(self) -> list[str]:
        found: list[str] = []
        for one in self.applied:
            found.append(one.line())
            found.extend(f"  {note}" for note in one.notes)
        return found + [f"note: {note}" for note in self.notes]

    def as_dict(self) -> dict[str, Any]:
        return {
            "applied": [one.as_dict() for one in self.applied],
            "seconds": round(self.seconds, 4),
            "notes": list(self.notes),
        }
