"""Civitai's own JSON: a model version in `.civitai.info`, a whole model in some other files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loradex.files.picker import Picker
from loradex.files.sidecars.reader import Reader, Subject, picker


def read_any(document: Mapping[str, Any], subject: Subject) -> list[Picker]:
    """A version or a whole model, whichever it is."""
    if "modelVersions" in document:
        return [read_model(document, subject)]
    return [read_version(picker(document, subject, "site"), subject)]


def read_version(pick: Picker, subject: Subject) -> Picker:
    """The answer of `/model-versions/ID` or `/by-hash/HASH`; zx adds some of the model's."""
    _version_fields(pick, subject)
    pick.whole("model_id", "modelId")
    pick.line("title", "model", "name")
    pick.html("description", "model", "description")
    pick.html("description", "description")
    pick.words("tags", "model", "tags")
    _creator(pick, "creator")
    _creator(pick, "model", "creator")
    _address(pick)
    return pick


def read_model(document: Mapping[str, Any], subject: Subject) -> Picker:
    """The answer of `/models/ID`; which of its versions a file is, its name or hash tells."""
    pick = picker(document, subject, "site")
    pick.whole("model_id", "id")
    pick.line("title", "name")
    pick.html("description", "description")
    pick.words("tags", "tags")
    _creator(pick, "creator")
    version = _version_of(pick.objects("modelVersions"), subject.model)
    if version is not None:
        inner = Picker(version, pick.source, pick.origin, pick.values, pick.problems)
        _version_fields(inner, subject)
    _address(pick)
    return pick


def _version_fields(pick: Picker, subject: Subject) -> None:
    pick.whole("version_id", "id")
    pick.line("version", "name")
    pick.line("base_model", "baseModel")
    pick.words("trigger_words", "trainedWords")
    pick.html("version_notes", "description")
    pick.date("published", "publishedAt")
    pick.date("published", "createdAt")
    pick.whole("nsfw_level", "nsfwLevel")
    _hashes(pick, subject.model)


def _hashes(pick: Picker, model: str) -> None:
    """Of the file that bears the model's name, else of the primary or only one."""
    files = pick.objects("files")
    named = [one for one in files if one.get("name") == model]
    primary = [one for one in files if one.get("primary") is True]
    chosen = (named or primary or (files if len(files) == 1 else []))[:1]
    for one in chosen:
        inner = Picker(one, pick.source, pick.origin, pick.values, pick.problems)
        inner.hash("sha256", "hashes", "SHA256")
        inner.hash("autov3", "hashes", "AutoV3")


def _version_of(versions: list[dict[str, Any]], model: str) -> dict[str, Any] | None:
    for version in versions:
        files = version.get("files")
        for one in files if isinstance(files, list) else ():
            if isinstance(one, dict) and one.get("name") == model:
                return version
    return versions[0] if len(versions) == 1 else None


def _creator(pick: Picker, *path: str) -> None:
    """A name, or an object with a username."""
    value: Any = pick.document
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, dict):
        pick.line("author", *path, "username")
    elif value is not None:
        pick.line("author", *path)


def _address(pick: Picker) -> None:
    model, version = pick.values.get("model_id"), pick.values.get("version_id")
    if model:
        query = f"?modelVersionId={version}" if version else ""
        pick.values.setdefault("source_url", f"https://civitai.com/models/{model}{query}")


READER = Reader(".civitai.info", "Civitai Helper", read_any, may_be_empty=True)
API_INFO = Reader(".api_info.json", "CivitAI Browser+", read_any, may_be_empty=True)
