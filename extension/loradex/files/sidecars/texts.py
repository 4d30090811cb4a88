"""Plain texts beside a model: descriptions, and the hash that ComfyUI-Custom-Scripts keeps."""

from __future__ import annotations

from loradex.files.picker import Picker
from loradex.files.sidecars.reader import Reader, Subject, picker

_DIGITS = 64


def read_description(text: str, subject: Subject) -> list[Picker]:
    """AUTOMATIC1111 shows it as the description."""
    pick = Picker({"text": text}, subject.name, "text")
    pick.html("description", "text")
    return [pick]


def read_hash(text: str, subject: Subject) -> list[Picker]:
    """The digits alone, or as `sha256sum` prints them."""
    first = text.split()[:1]
    if first and len(first[0]) == _DIGITS:
        pick = Picker({"hash": first[0]}, subject.name, "site")
        pick.hash("sha256", "hash")
        return [pick]
    empty = picker({}, subject, "site")
    empty.problems.append(f"{subject.name} holds no SHA-256")
    return [empty]


DESCRIPTION = Reader(".description.txt", "AUTOMATIC1111", read_description, text=True)
TEXT = Reader(".txt", "AUTOMATIC1111", read_description, text=True)
SHA256 = Reader(".sha256", "ComfyUI-Custom-Scripts", read_hash, text=True)
