"""Turns operations into the journal's JSON objects and back, bytes and odd file names included."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

from loradex.catalog.organising.operations import Edit, Operation, Row, Step, Write

_VERSION = 1


def to_begin(operation: Operation) -> dict[str, Any]:
    """The intent, whole. Names that are no text travel as JSON's escapes of lone surrogates."""
    return {
        "event": "begin",
        "version": _VERSION,
        "id": operation.id,
        "kind": operation.kind,
        "started": operation.started,
        "undoes": operation.undoes,
        "steps": [[step.action, str(step.source), _str(step.target)] for step in operation.steps],
        "rows": [
            [row.key, _str(row.source), _str(row.target), row.size, row.mtime_ns,
             list(row.bystanders)]
            for row in operation.rows
        ],
        "edits": [
            [e.key, e.fingerprint, e.field, e.old, e.new, str(e.path)] for e in operation.edits
        ],
        "writes": [[str(w.path), _text(w.old), _text(w.new)] for w in operation.writes],
    }  # fmt: skip


def outcome(operation: Operation) -> dict[str, Any]:
    """What only the end knows."""
    return {
        "event": "end",
        "id": operation.id,
        "done": operation.done,
        "problems": list(operation.problems),
        "notes": list(operation.notes),
        "binned": operation.binned,
        "written": [_text(write.new) for write in operation.writes],
    }


def from_begin(line: dict[str, Any]) -> Operation:
    """Raises ValueError, TypeError or KeyError for a line of another shape."""
    return Operation(
        id=str(line["id"]),
        kind=line["kind"],
        started=float(line["started"]),
        undoes=str(line["undoes"]),
        steps=tuple(Step(Path(source), _path(target), action)
                    for action, source, target in line["steps"]),
        rows=tuple(Row(int(key), _path(source), _path(target), size, mtime, tuple(beside))
                   for key, source, target, size, mtime, beside in line["rows"]),
        edits=tuple(Edit(int(key), fingerprint, name, _value(old), _value(new), Path(path))
                    for key, fingerprint, name, old, new, path in line["edits"]),
        writes=tuple(Write(Path(path), _bytes(old), _bytes(new))
                     for path, old, new in line["writes"]),
    )  # fmt: skip


def with_outcome(operation: Operation, line: dict[str, Any]) -> Operation:
    """The same operation, ended."""
    writes = tuple(
        replace(write, new=_bytes(new))
        for write, new in zip(operation.writes, line["written"], strict=True)
    )
    return replace(
        operation, done=line["done"] is True, problems=tuple(line["problems"]),
        notes=tuple(line["notes"]), binned=dict(line["binned"]), writes=writes,
    )  # fmt: skip


def _str(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _text(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text, validate=True)


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
