"""Sees to it that no prompt is served out of the cache with another network's text encoder."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from loradex.networks.report import RunReport
from loradex.webui.hosts.host import Host


class Conditionings:
    """Compares what the text encoders are made of with the last run, and empties the caches."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._made_of: Hashable = ()

    def changed(self, processing: Any, report: RunReport | None) -> None:
        """The text encoders may be others from now on; None is for a state that nobody knows."""
        made_of = None if report is None else _text_encoder_state(report)
        if made_of is None or made_of != self._made_of:
            self._host.forget_conditionings(processing)
        self._made_of = made_of


def _text_encoder_state(report: RunReport) -> Hashable:
    """Networks, files and strengths on text encoders, in any order: sums do not depend on it."""
    rows = [
        (row.id, row.version, row.te_strength, row.dyn_dim or 0, repr(row.weighed))
        for row in report.applied
        if row.used and (row.bundled or any(name.startswith("te") for name in row.components))
    ]
    return (*sorted(rows), *report.notes)
