"""Entries, details and verdicts as plain data: the fields that `--json` and the JSON API give."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from loradex.catalog.reading.details import Details
from loradex.catalog.records import Entry, FileFacts
from loradex.compat.checkpoint_facts import CheckpointFacts
from loradex.compat.verdict import Verdict


def entry_row(entry: Entry, metadata: Mapping[str, str] | None = None) -> dict[str, Any]:
    """One file; what is not known is null."""
    file, summary, user = entry.file, entry.summary, entry.user
    row: dict[str, Any] = {
        "path": str(file.path), "id": file.id, "name": file.name, "root": str(file.root),
        "presence": entry.presence,
        **facts_row(entry.facts),
        "trigger_words": list(summary.trigger_words),
        "preferred_strength": summary.preferred_strength,
        "sha256": entry.sha256 or None, "tensor_sha256": entry.tensor_sha256 or None,
        "size_bytes": file.size, "modified": time_text(file.mtime_ns / 1e9),
        "title": summary.title, "description": summary.description,
        "notes": user.notes or summary.notes,
        "base_model": summary.base_model, "preview": summary.preview or None,
        "tags": sorted({*summary.tags, *user.tags}), "favourite": user.favourite,
        "rating": user.rating, "sources": dict(summary.sources),
        "problems": list(summary.problems),
    }
    if user.family:
        row.update(family=user.family, confidence="user")
    if entry.verdict:
        row["verdict"] = entry.verdict
    if metadata is not None:
        row["metadata"] = dict(metadata)
    return row


def facts_row(facts: FileFacts) -> dict[str, Any]:
    """What the bytes of a file say."""
    fault = facts.fault
    return {
        "status": facts.status, "fault": fault.code if fault else None,
        "message": fault.message if fault else None,
        "next_step": fault.next_step if fault else None,
        "kind": facts.kind or None, "family": facts.family or None,
        "variant": facts.variant or None, "candidates": list(facts.candidates),
        "confidence": facts.confidence, "evidence": list(facts.evidence),
        "layouts": dict(facts.layouts), "types": dict(facts.types), "rank": facts.rank,
        "ranks": {str(rank): count for rank, count in facts.ranks.items()},
        "components": {name: {"modules": count} for name, count in facts.components.items()},
        "embeddings": list(facts.embeddings),
    }


def details_row(details: Details, *, keys: bool = False) -> dict[str, Any]:
    """One file with provenance; with `keys` every tensor too."""
    row = entry_row(details.entry, details.metadata)
    described = details.described
    row["fields"] = {
        field: {"value": one.value, "source": one.source}
        for field, one in described.values.items()
    }
    row["previews"] = list(described.previews)
    row["unknown_keys"] = list(details.unknown)
    if keys:
        row["keys"] = {
            name: {"dtype": one.dtype, "shape": list(one.shape)}
            for name, one in details.tensors.items()
        }
    return row


def verdict_row(verdict: Verdict) -> dict[str, Any]:
    """Whether a file fits a checkpoint, why, and the counts behind it."""
    return {
        "verdict": verdict.answer, "confidence": verdict.confidence,
        "reasons": list(verdict.reasons),
        "components": {
            name: {
                "named": part.named, "shape_ok": part.shape_ok, "missing": part.missing,
                "total": part.total, "applied": part.applied, "reason": part.reason or None,
            }
            for name, part in verdict.components.items()
        },
    }


def checkpoint_row(checkpoint: CheckpointFacts) -> dict[str, Any]:
    """What a checkpoint is and why."""
    return {
        "path": str(Path(checkpoint.path).absolute()), "name": checkpoint.name,
        "family": checkpoint.family or None, "variant": checkpoint.variant or None,
        "prediction_type": checkpoint.prediction_type or None,
        "confidence": checkpoint.confidence, "evidence": list(checkpoint.evidence),
    }


def family_text(entry: Entry) -> str:
    """The family as people read it: with its variant, or what it may be; '' where it is unknown."""
    facts = entry.facts
    family = entry.family or " or ".join(facts.candidates)
    if facts.variant and not entry.user.family:
        family = f"{family} {facts.variant}".strip()
    return family


def time_text(seconds: float, *, local: bool = False) -> str:
    """Clocks differ, so JSON gets UTC; people get their own."""
    if local:
        return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")
