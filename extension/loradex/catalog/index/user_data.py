"""What the user may say of a file: checked, and as a record that people can read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any

from loradex.catalog.records import UserData
from loradex.errors import InputError

_HIGHEST_RATING = 10
_FAMILY = re.compile(r"[a-z0-9][a-z0-9._-]*|")


def changed(user: UserData, changes: Mapping[str, Any]) -> UserData:
    """The user data with some fields replaced.

    Raises:
        InputError: a field or a value that there is not.
    """
    for name in changes:
        if name not in _CHECKS:
            raise InputError(name, "no such field", ", ".join(_CHECKS))
    return replace(user, **{name: _CHECKS[name](value) for name, value in changes.items()})


def to_record(user: UserData) -> dict[str, Any]:
    """Only what is set."""
    values = {each.name: getattr(user, each.name) for each in fields(user)}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in values.items() if value != getattr(UserData(), name)
    }


def from_record(record: Mapping[str, Any]) -> UserData:
    """What of a record is valid; `is_whole` tells whether that is all of it."""
    user = UserData()
    for name in _CHECKS:
        if name in record:
            with suppress(InputError):
                user = changed(user, {name: record[name]})
    return user


def is_whole(record: Any) -> bool:
    """Whether a record of an export can be kept without losing anything."""
    if not isinstance(record, dict):
        return False
    texts = ("id", "root", "fingerprint", "sha256", "tensor_sha256")
    if not all(isinstance(record.get(name, ""), str) for name in texts):
        return False
    said = {name: record[name] for name in _CHECKS if name in record}
    try:
        changed(UserData(), said)
    except InputError:
        return False
    return bool(said) and bool(record.get("id"))


def shown(text: str) -> str:
    """A path as text that every JSON reader takes; bytes that are no text become `\\xff`."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _favourite(value: Any) -> bool:
    if not isinstance(value, bool):
        raise InputError("favourite", repr(value), "true or false")
    return value


def _rating(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _HIGHEST_RATING:
        raise InputError("rating", repr(value), f"a whole number from 0 to {_HIGHEST_RATING}")
    return value


def _tags(value: Any) -> tuple[str, ...]:
    """Tags without blanks around them, each once, whatever its case."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise InputError("tags", repr(value), "a list of words")
    kept: dict[str, str] = {}
    for tag in value:
        if not isinstance(tag, str):
            raise InputError("tags", repr(tag), "a list of words")
        tag = _text(tag).strip()
        if tag:
            kept.setdefault(tag.casefold(), tag)
    return tuple(kept.values())


def _notes(value: Any) -> str:
    if not isinstance(value, str):
        raise InputError("notes", repr(value), "a text")
    return _text(value)


def _family(value: Any) -> str:
    name = value.strip().lower() if isinstance(value, str) else None
    if name is None or not _FAMILY.fullmatch(name):
        raise InputError("family", repr(value), "the id of a base family, as `sdxl`")
    return name


def _text(value: str) -> str:
    """Without NUL and halves of surrogate pairs, which a browser that cuts an emoji sends."""
    return value.encode("utf-8", "replace").decode("utf-8").replace("\0", "")


_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "favourite": _favourite, "rating": _rating, "tags": _tags, "notes": _notes, "family": _family,
}
