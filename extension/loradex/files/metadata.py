"""What the metadata inside a network's header says: ModelSpec, Additional Networks, trainers.

Reading it costs some look-ups. The tag frequencies, which can have 100 KB of JSON, are read by
`loradex.files.training` where somebody asks.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from loradex.files.media import media_type
from loradex.files.picker import Found, Picker

METADATA = "metadata"
"""What the source is called on all surfaces."""

MAX_COVER_BYTES = 8 << 20

_BEGINNING = 160
"""Characters of a data URI: its head, and enough of the picture to name it."""

_DEFAULT_TITLE = re.compile(r"(?:LoRA|Checkpoint|TextualInversion)@\d+\Z")
"""sd-scripts' title of a network that was given none: the time of the training."""


def read_metadata(metadata: Mapping[str, str]) -> tuple[tuple[Found, ...], tuple[str, ...]]:
    """What the header says, the most trusted first, and what in it could not be read."""
    if not metadata:
        return (), ()
    pickers = (_added(metadata), read_modelspec(metadata, METADATA), _trainer(metadata))
    found = tuple(picker.found for picker in pickers if picker.values)
    return found, tuple(problem for picker in pickers for problem in picker.problems)


def read_modelspec(document: Mapping[str, Any], source: str) -> Picker:
    """Fields of ModelSpec 1.0 (Stability AI); SwarmUI writes the same keys into a sidecar."""
    pick = Picker(document, source, "spec")
    if not _DEFAULT_TITLE.match(str(document.get("modelspec.title", ""))):
        pick.line("title", "modelspec.title")
    pick.html("description", "modelspec.description")
    pick.words("trigger_words", "modelspec.trigger_phrase")
    pick.words("tags", "modelspec.tags")
    pick.line("author", "modelspec.author")
    pick.text("usage_hint", "modelspec.usage_hint")
    pick.line("licence", "modelspec.license")
    pick.line("base_model", "modelspec.architecture")
    pick.date("published", "modelspec.date")
    if document.get("modelspec.hash_sha256"):
        pick.hash("tensor_sha256", "modelspec.hash_sha256")
    for key in ("modelspec.lora_default_weight", "lora_default_weight"):
        if document.get(key):
            pick.number("preferred_strength", key)
    return pick


def _added(metadata: Mapping[str, str]) -> Picker:
    """What Additional Networks' editor writes into the file: the user's hand."""
    pick = Picker(metadata, METADATA, "manager")
    pick.line("title", "ssmd_display_name")
    pick.line("version", "ssmd_version")
    pick.line("author", "ssmd_author")
    pick.words("trigger_words", "ssmd_keywords")
    pick.html("description", "ssmd_description")
    pick.line("source_url", "ssmd_source")
    pick.words("tags", "ssmd_tags")
    if metadata.get("ssmd_rating"):
        pick.whole("rating", "ssmd_rating")
        if not 1 <= pick.values.get("rating", 1) <= 10:
            del pick.values["rating"]
    return pick


def _trainer(metadata: Mapping[str, str]) -> Picker:
    """What sd-scripts, OneTrainer and ai-toolkit write by themselves."""
    pick = Picker(metadata, METADATA, "trainer")
    pick.line("alias", "ss_output_name")
    pick.line("session", "ss_session_id")
    pick.line("epoch", "ss_epoch")
    pick.text("notes", "ss_training_comment")
    base = metadata.get("ss_sd_model_name", "").replace("\\", "/").rsplit("/", 1)[-1]
    base = base.removesuffix(".safetensors").removesuffix(".ckpt")
    Picker({"base": base}, METADATA, "trainer", pick.values).line("base_model", "base")
    pick.line("base_model", "ss_base_model_version")
    pick.values.update(_ai_toolkit(metadata))
    if metadata.get("sshs_model_hash"):
        pick.hash("tensor_sha256", "sshs_model_hash")
    started = _timestamp(metadata.get("ss_training_finished_at", ""))
    if started:
        pick.values["published"] = started
    if pick.values.get("notes") == "None":
        del pick.values["notes"]
    return pick


def _ai_toolkit(metadata: Mapping[str, str]) -> dict[str, str]:
    info = json_object(metadata.get("training_info", ""))
    epoch = info.get("epoch")
    return {"epoch": str(epoch)} if isinstance(epoch, int) and "ss_epoch" not in metadata else {}


def _timestamp(text: str) -> str:
    """Seconds since 1970 as an ISO date in UTC."""
    try:
        return datetime.fromtimestamp(float(text), timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return ""


def json_object(text: str) -> dict[str, Any]:
    """A JSON object inside a metadata value, or an empty one where it is damaged."""
    try:
        value = json.loads(text) if text.lstrip().startswith("{") else {}
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def has_embedded_cover(metadata: Mapping[str, str]) -> bool:
    """True where a picture begins inside; only its first bytes are decoded, for whole lists."""
    thumbnail = metadata.get("modelspec.thumbnail", "")[:_BEGINNING]
    if thumbnail.startswith("data:") and _beginning(thumbnail.partition(",")[2]):
        return True
    return _beginning(metadata.get("ssmd_cover_images", "")[:_BEGINNING].lstrip('[" \n'))


def _beginning(encoded: str) -> bool:
    encoded = encoded.split('"')[0]
    return _picture(encoded[: len(encoded) // 4 * 4]) is not None


def embedded_cover(metadata: Mapping[str, str]) -> tuple[str, bytes] | None:
    """The picture inside a header: its media type, told by its own bytes, and the bytes.

    ModelSpec's thumbnail is a data URI; Additional Networks keeps a list of base64 texts. Only
    pictures that cannot carry a script are given.
    """
    thumbnail = metadata.get("modelspec.thumbnail", "")
    if thumbnail.startswith("data:"):
        found = _picture(thumbnail.partition(",")[2])
        if found:
            return found
    return next((one for text in _covers(metadata) if (one := _picture(text))), None)


def _covers(metadata: Mapping[str, str]) -> list[str]:
    try:
        listed = json.loads(metadata.get("ssmd_cover_images") or "[]")
    except (ValueError, RecursionError):
        return []
    return [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else []


def _picture(encoded: str) -> tuple[str, bytes] | None:
    if len(encoded) > MAX_COVER_BYTES * 4 // 3:
        return None
    try:
        raw = base64.b64decode(encoded.partition("base64,")[2] or encoded)
    except (binascii.Error, ValueError):
        return None
    found = media_type(raw)
    return (found, raw) if found.startswith("image/") else None
