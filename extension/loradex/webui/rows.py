"""Rows of a run's report for tags that never got to the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from loradex.errors import LoradexError
from loradex.networks.report import Applied, RunReport
from loradex.prompts.tags import LoraTag


def all_skipped(tags: Sequence[LoraTag], error: LoradexError) -> RunReport:
    """The report of a run that no network can be put on."""
    return RunReport(tuple(
        Applied("", tag.name, tag.te_strength, tag.unet_strength, skipped=str(error))
        for tag in tags))


def unreadable(text: str, error: LoradexError) -> Applied:
    """The row of a tag that could not be read."""
    return Applied("", text, skipped=str(error))


def with_rows(report: RunReport, rows: Sequence[Applied]) -> RunReport:
    """The report with more rows."""
    return replace(report, applied=(*report.applied, *rows)) if rows else report
