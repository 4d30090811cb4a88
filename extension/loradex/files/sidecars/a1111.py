"""`NAME.json` of AUTOMATIC1111, Forge and reForge, and what other tools put under that name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loradex.files.picker import Picker
from loradex.files.sidecars import civitai
from loradex.files.sidecars.reader import Reader, Subject, picker


def is_foreign(document: Mapping[str, Any]) -> bool:
    """True for Civitai's answer, which SD.Next writes over the user's file (its field list)."""
    if isinstance(document.get("modelVersions"), list):
        return True
    return isinstance(document.get("trainedWords"), list) and "baseModel" in document


def read(document: Mapping[str, Any], subject: Subject) -> list[Picker]:
    if is_foreign(document):
        return civitai.read_any(document, subject)
    hand = picker(document, subject, "hand")
    hand.text("description", "description")
    hand.words("trigger_words", "activation text")
    hand.number("preferred_strength", "preferred weight")
    hand.text("negative_words", "negative text")
    hand.text("notes", "notes")
    hand.line("sd_version", "sd version")
    if hand.values.get("sd_version") in ("Unknown", "Other"):
        del hand.values["sd_version"]  # what the menus begin with
    return [hand, *_ids(document, subject)]


def _ids(document: Mapping[str, Any], subject: Subject) -> list[Picker]:
    """CivitAI Browser+ adds these."""
    site = picker(document, subject, "site")
    if "modelId" in document or "sha256" in document:
        site.whole("model_id", "modelId")
        site.whole("version_id", "modelVersionId")
        site.hash("sha256", "sha256")
    return [site]


READER = Reader(".json", "AUTOMATIC1111", read)
MISNAMED = Reader(".json", "CivitAI Browser+", _ids, full_name=True)
