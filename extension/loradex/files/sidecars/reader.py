"""What a reader of one sidecar format is, and how its file becomes JSON or words on why not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loradex.files.picker import Found, Origin, Picker

MAX_SIDECAR_BYTES = 32 << 20
"""Civitai's answer for a model with hundreds of versions has a few MB."""


@dataclass(frozen=True)
class Subject:
    """The sidecar that is read: its own name and that of its model."""

    name: str
    model: str


@dataclass(frozen=True)
class Reader:
    """One format: the suffix that its files have, who writes it, and how it is read.

    `read` gets the JSON object, or the text of a format that is text.
    """

    suffix: str
    owner: str
    read: Callable[[Any, Subject], list[Picker]]
    full_name: bool = False
    """The suffix follows the whole file name (`ink.safetensors.rgthree-info.json`)."""
    text: bool = False
    may_be_empty: bool = False
    """An empty file is a way to say something here, and no fault."""


class SidecarFault(Exception):  # noqa: N818 - stays inside this package and the writer
    """Why a sidecar cannot be read, in words that follow its name."""


def parse_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in the bytes of a sidecar.

    Raises:
        SidecarFault: it is none.
    """
    text = parse_text(raw)
    if not text.strip("\0 \r\n\t"):
        raise SidecarFault("is empty")
    try:
        value = json.loads(text)
    except RecursionError:
        raise SidecarFault("is nested too deeply") from None
    except ValueError as error:
        raise SidecarFault(f"is no JSON ({error})") from None
    if not isinstance(value, dict):
        raise SidecarFault("is JSON, but no object")
    return value


def parse_text(raw: bytes) -> str:
    """Text in UTF-8, or in UTF-16 with its mark, as Windows' older editors write it."""
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        raise SidecarFault("is no UTF-8 text") from None


def read_bytes(path: Path) -> bytes:
    """The bytes of a sidecar that has a reasonable size.

    Raises:
        SidecarFault: it cannot be read or is too large.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SIDECAR_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise SidecarFault(f"cannot be read ({reason})") from None
    if len(raw) > MAX_SIDECAR_BYTES:
        raise SidecarFault(f"has more than {MAX_SIDECAR_BYTES >> 20} MB")
    return raw


def read_sidecar(path: Path, reader: Reader, model: str) -> tuple[list[Found], list[str]]:
    """What one sidecar says, and its problems as sentences without a full stop."""
    try:
        raw = read_bytes(path)
    except SidecarFault as fault:
        return [], [f"{path.name} {fault}"]
    return interpret(raw, reader, Subject(path.name, model))


def interpret(raw: bytes, reader: Reader, subject: Subject) -> tuple[list[Found], list[str]]:
    """The same for the bytes of a sidecar."""
    if not raw.strip() and (reader.may_be_empty or reader.text):
        return [], []
    try:
        document = parse_text(raw) if reader.text else parse_object(raw)
    except SidecarFault as fault:
        return [], [f"{subject.name} {fault}"]
    pickers = reader.read(document, subject)
    problems = dict.fromkeys(problem for pick in pickers for problem in pick.problems)
    return [pick.found for pick in pickers if pick.values], list(problems)


def picker(document: Any, subject: Subject, origin: Origin) -> Picker:
    """A picker that names the sidecar as the source."""
    return Picker(document if isinstance(document, dict) else {}, subject.name, origin)
