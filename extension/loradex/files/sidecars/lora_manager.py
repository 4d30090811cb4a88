"""`NAME.metadata.json` of ComfyUI-Lora-Manager (its docs/metadata-json-schema.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loradex.files.metadata import json_object
from loradex.files.picker import Picker
from loradex.files.sidecars import civitai
from loradex.files.sidecars.reader import Reader, Subject, picker


def read(document: Mapping[str, Any], subject: Subject) -> list[Picker]:
    """Its own fields, which are edited there, and the page's answer that it keeps."""
    own = picker(document, subject, "manager")
    own.line("title", "model_name")
    own.text("notes", "notes")
    own.words("tags", "tags")
    own.flag("favourite", "favorite")
    own.line("base_model", "base_model")
    if own.values.get("base_model") in ("Unknown", "Other"):
        del own.values["base_model"]
    own.line("source_url", "hf_url")
    own.whole("nsfw_level", "preview_nsfw_level")
    _usage(document, own)
    site = picker(document, subject, "site")
    site.html("description", "modelDescription")
    site.hash("sha256", "sha256")
    site.hash("autov3", "autov3")
    civitai.read_version(site.inner("civitai"), subject)
    return [own, site]


def _usage(document: Mapping[str, Any], own: Picker) -> None:
    """`usage_tips` is JSON inside a text; some versions write the object itself."""
    tips = document.get("usage_tips")
    values = json_object(tips) if isinstance(tips, str) else tips
    if isinstance(tips, str) and tips.strip() and not values and tips.strip() != "{}":
        own.problems.append(f"{own.source}: 'usage_tips' is no JSON object")
    inner = Picker({"usage_tips": values}, own.source, own.origin, own.values, own.problems)
    usage = inner.inner("usage_tips")
    usage.number("preferred_strength", "strength")
    usage.number("te_strength", "clip_strength")
    usage.number("strength_min", "strength_min")
    usage.number("strength_max", "strength_max")
    usage.line("strength_range", "strength_range")
    usage.whole("clip_skip", "clip_skip")


READER = Reader(".metadata.json", "ComfyUI-Lora-Manager", read)
