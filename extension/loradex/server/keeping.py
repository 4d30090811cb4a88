"""Routes that keep a library in order: what is wrong, what is there twice, and hashing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from loradex.catalog.catalog import Catalog
from loradex.catalog.disk.downloads import unfinished_downloads
from loradex.catalog.doctor import Finding, examine
from loradex.catalog.organising.duplicates import find_duplicates
from loradex.catalog.records import Entry, Query
from loradex.errors import InputError
from loradex.files.faults import FAULTS
from loradex.server.answers import Route
from loradex.server.asked import Asked
from loradex.server.backend import Backend
from loradex.server.live import hashing_row

_ALL = Query(sort="path", limit=None)
_KEPT = frozenset((
    "unreadable", "changed", "unfinished", "pickle", "archive", "not-a-lora", "gguf", "lfs-pointer",
    "broken-sidecar", "trailing-bytes", "unknown-dtype", "zero-up", "zero-alpha", "absurd-alpha",
    "absurd-norm", "fp16-overflow",
))
"""Faults of files that are of use as they are, after a wait or elsewhere: no button throws them
away."""


def doctor(backend: Backend, _: Asked) -> Mapping[str, Any]:
    """What is wrong, as far as it is known without reading whole files, and what can be done."""
    catalog = backend.service.catalog()
    entries = list(catalog.entries(_ALL))
    found = [
        _finding_row(catalog, entry, finding)
        for entry, findings in examine(entries, hashing=False) for finding in findings
    ]
    return {"findings": [*found, *_unfinished(catalog)], "complete": _complete(catalog)}


def duplicates(backend: Backend, _: Asked) -> Mapping[str, Any]:
    """Files that are there twice, those that waste most first."""
    catalog = backend.service.catalog()
    return {"groups": [
        {"kind": group.kind, "keys": [entry.key for entry in group.entries],
         "keep": group.keep.key, "reason": group.reason, "bytes": group.wasted_bytes}
        for group in find_duplicates(catalog.entries(_ALL))
    ], "complete": _complete(catalog)}


def hashing(backend: Backend, asked: Asked) -> Mapping[str, Any]:
    """Holds the hashing of files, or lets it go on."""
    catalog = backend.service.catalog()
    paused = asked.body.get("paused")
    if not isinstance(paused, bool):
        raise InputError("paused", repr(paused), "true or false")
    if paused:
        catalog.hasher.pause()
    else:
        catalog.hasher.resume()
    return hashing_row(catalog)


ROUTES = (
    Route("GET", "/doctor", doctor),
    Route("GET", "/duplicates", duplicates),
    Route("POST", "/hashing", hashing, fields=("paused",), changes=True),
)


def _complete(catalog: Catalog) -> bool:
    """Whether every file has its hash, so that no file can turn out to be another's double."""
    progress = catalog.hasher.progress()
    return progress.done + progress.failed >= progress.total


def _finding_row(catalog: Catalog, entry: Entry, finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code, "severity": _severity(finding.code), "key": entry.key,
        "id": entry.file.id, "root": catalog.roots.index(entry.file.root),
        "message": finding.message, "next_step": finding.next_step,
        "fixes": [] if finding.code in _KEPT else [_to_the_trash(entry, finding)],
    }


def _to_the_trash(entry: Entry, finding: Finding) -> dict[str, Any]:
    double = finding.code == "duplicate"
    return {
        "action": "trash", "changes": True,
        "label": "Move this copy to the trash" if double else "Move it to the trash",
        "method": "POST", "path": "operations", "body": {"action": "trash", "keys": [entry.key]},
    }


def _unfinished(catalog: Catalog) -> Iterator[dict[str, Any]]:
    """Downloads under a browser's own name, which the list does not have."""
    for path, note in unfinished_downloads(catalog.roots):
        root = next((one for one in catalog.roots if path.is_relative_to(one)), path.parent)
        yield {
            "code": note.code, "severity": _severity(note.code), "key": None, "root": None,
            "id": path.relative_to(root).as_posix(), "message": note.message,
            "next_step": note.next_step, "fixes": [],
        }


def _severity(code: str) -> str:
    return FAULTS[code].severity if code in FAULTS else "error"
