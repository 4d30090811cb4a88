"""What a run's networks did: one line each for people, one dictionary for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from loradex.prompts.infotext import format_lora_hashes

_LONGEST = 32
"""Letters of an option that a line shows."""


@dataclass(frozen=True)
class Count:
    """Modules of a network in one component: those that found their weight, and all.

    `branch` of the matched are computed beside their weights, which cannot be merged into.
    """

    matched: int
    total: int
    branch: int = 0

    def __str__(self) -> str:
        if not self.branch:
            return f"{self.matched}/{self.total}"
        part = "" if self.branch == self.matched else f"{self.branch} "
        return f"{self.matched}/{self.total} ({part}branch)"

    def as_dict(self) -> dict[str, int]:
        """`branch` only where it says something."""
        counts = {"matched": self.matched, "total": self.total}
        return {**counts, "branch": self.branch} if self.branch else counts


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
    version: tuple[int, ...] = ()
    """Size and time of the file that was used: the same name with other contents is another."""
    bundled: tuple[str, ...] = ()
    """Names of the textual inversions that the file brings with it."""
    weighed: tuple[object, ...] = field(default=(), repr=False)
    """The block weights, to tell two runs apart."""
    options: tuple[str, ...] = ()
    """What the tag asks for beside strengths: `lbw=MIDD`, `stop=10`."""

    @property
    def used(self) -> bool:
        """Whether it made a difference: not skipped, and not at strength 0."""
        return bool(self.components) and not self.skipped

    @property
    def share(self) -> str:
        """`264/264`: modules that found their weight, of all in the components that are on."""
        counts = self.components.values()
        return f"{sum(c.matched for c in counts)}/{sum(c.total for c in counts)}"

    @property
    def told_options(self) -> list[str]:
        """The options for people: a list of many weights is cut short."""
        return [one if len(one) <= _LONGEST else f"{one[:_LONGEST - 3]}..."
                for one in self.options]

    def line(self) -> str:
        """`NAME  unet 64/64  te 12/12  0.03 s`, or the reason why it was left out."""
        if self.skipped:
            return f"{self.name}  skipped: {self.skipped.removeprefix(f'{self.name}: ')}"
        if not self.components:
            return f"{self.name}  off (strength 0)"
        counts = [f"{component} {count}" for component, count in self.components.items()]
        return "  ".join([self.name, *counts, *self.told_options, f"{self.seconds:.2f} s"])

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "te_strength": self.te_strength,
            "unet_strength": self.unet_strength,
            "dyn_dim": self.dyn_dim,
            "options": list(self.options),
            "components": {
                name: count.as_dict()
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

    def remarks(self) -> list[str]:
        """What a user must know even where no report is shown: misses and what was left out."""
        found: list[str] = []
        for row in self.applied:
            if row.skipped:
                found.append(row.line())
            found += [f"{row.name}: {note}" for note in row.notes]
        return found + list(self.notes)

    def infotext(self, hashes: Mapping[str, str]) -> dict[str, str | None]:
        """What a picture says of its networks: hashes by name, how much was applied, what was not.

        `hashes` are by network id; only networks that made a difference are listed with one.
        """
        used = [row for row in self.applied if row.used]
        told = [" ".join([row.name, row.share, *row.told_options]) if row.used else row.line()
                for row in self.applied if row.used or row.skipped]
        listed = [(row.name, hashes[row.id]) for row in used if row.id in hashes]
        return {"Lora hashes": format_lora_hashes(listed) or None,
                "Loradex": ", ".join(told) or None}
