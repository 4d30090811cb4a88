"""Metadata and sidecars of one file as the short summary that lists and cards show."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from loradex.catalog.network_file import NetworkFile
from loradex.catalog.records import Summary
from loradex.files.described import Described, describe_model_file
from loradex.files.metadata import has_embedded_cover


def summarise(
    file: NetworkFile, metadata: Mapping[str, str], names: Collection[str] | None = None
) -> Summary:
    """The summary of a file; a broken sidecar is told in `problems` and never raises."""
    found = describe_model_file(file.path, metadata, names)
    preview = found.previews[0] if found.previews else ""
    if not preview and has_embedded_cover(metadata):
        preview = "metadata"
    return Summary(
        title=_text(found, "title"), description=_text(found, "description"),
        trigger_words=_texts(found, "trigger_words"),
        preferred_strength=_value(found, "preferred_strength"),
        base_model=_text(found, "base_model"), tags=_texts(found, "tags"),
        notes=_text(found, "notes"), preview=preview,
        alias=_text(found, "alias"), session=_text(found, "session"), epoch=_text(found, "epoch"),
        nsfw_level=_level(found),
        problems=found.problems,
        sources={field: one.source for field, one in found.values.items()},
    )


def _value(found: Described, field: str) -> Any:
    one = found.values.get(field)
    return None if one is None else one.value


def _level(found: Described) -> int:
    value = _value(found, "nsfw_level")
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _text(found: Described, field: str) -> str:
    value = _value(found, field)
    return "" if value is None else str(value)


def _texts(found: Described, field: str) -> tuple[str, ...]:
    return tuple(_value(found, field) or ())
