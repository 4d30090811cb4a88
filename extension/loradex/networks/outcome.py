"""What an apply came to: one row per network, or the error that says what was restored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from loradex.errors import PatchError
from loradex.networks.network import Stamp
from loradex.networks.recipe import StackEntry
from loradex.networks.report import Applied, RunReport

Rows = dict[tuple[Stamp, int], Applied]
"""By the identity of a stack's entry."""


def run_report(
    stack: Sequence[StackEntry], rows: Rows,
    shares: Counter[Stamp], seconds: float, notes: tuple[str, ...],
) -> RunReport:
    """One row per network in the order of the tags; the time is shared out by what was redone."""
    uses = Counter(entry.identity for entry in stack)
    total = sum(shares.values())
    found: list[Applied] = []
    for identity, count in uses.items():
        row = rows[identity]
        share = shares[identity[0]] / total if total else 0.0
        more = (f"given {count} times: the strengths add up",) if count > 1 else ()
        found.append(replace(row, seconds=seconds * share, notes=(*row.notes, *more)))
    return RunReport(tuple(found), seconds, notes)


def patch_error(error: Exception) -> PatchError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else "no message"
    memory = isinstance(error, MemoryError) or "memory" in reason.lower()
    return PatchError(
        "applying networks", f"writing weights failed: {type(error).__name__}: {reason}", "",
        "Every weight was restored. "
        + ("Free memory, or use fewer networks." if memory else "Leave the network out."),
    )
