"""Downloads that lie unfinished below the roots, under the names that browsers give them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from loradex.catalog.disk.walk import Walk
from loradex.catalog.records import FaultNote
from loradex.files.sidecar_names import MODEL_SUFFIXES
from loradex.files.unfinished import finished_name, is_unfinished, why_unfinished


def unfinished_downloads(roots: Sequence[Path]) -> Iterator[tuple[Path, FaultNote]]:
    """Files that will be models when they are complete, as far as their names tell."""
    for level in Walk(roots).levels():
        for entry in level.others:
            if not is_unfinished(entry.name):
                continue
            later = finished_name(entry.name)
            if later and not later.lower().endswith(MODEL_SUFFIXES):
                continue
            text = why_unfinished(entry.name)
            if text is not None:
                yield Path(entry.path), FaultNote(text.code, text.message, text.next_step)
