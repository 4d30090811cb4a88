"""`NAME.cm-info.json` of StabilityMatrix; Civicomfy writes the same names to `.cminfo.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loradex.files.picker import Picker
from loradex.files.sidecars.reader import Reader, Subject, picker

_MATURE = 4
"""Civitai's bit for R; the file tells yes or no."""


def read(document: Mapping[str, Any], subject: Subject) -> list[Picker]:
    own = picker(document, subject, "manager")
    own.line("title", "UserTitle")
    site = picker(document, subject, "site")
    site.whole("model_id", "ModelId")
    site.whole("version_id", "VersionId")
    site.line("title", "ModelName")
    site.line("version", "VersionName")
    site.html("description", "ModelDescription")
    site.html("version_notes", "VersionDescription")
    site.words("tags", "Tags")
    site.words("trigger_words", "TrainedWords")
    site.line("base_model", "BaseModel")
    site.hash("sha256", "Hashes", "SHA256")
    if document.get("Nsfw") is True:
        site.values["nsfw_level"] = _MATURE
    return [own, site]


READER = Reader(".cm-info.json", "StabilityMatrix", read)
CIVICOMFY = Reader(".cminfo.json", "Civicomfy", read)
