"""Changes single members of a JSON object in its text, so that every other byte stays."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

_SPACE = re.compile(r"[ \t\n\r]*")
_ESCAPE = re.compile(r"\\u[0-9a-fA-F]{4}")
_DECODER = json.JSONDecoder()


class _Member(NamedTuple):
    """One key and value: where they stand in the text."""

    key: str
    start: int
    key_stop: int
    value_start: int
    stop: int
    value: Any


def edit_object(text: str, changes: Mapping[str, Any]) -> str:
    """The text of a JSON object with some members set, added at its end, or removed (`None`).

    The text must be valid JSON. What equals its new value is left as it is spelled; spelling of
    what is added follows the members that are there.
    """
    for key, value in changes.items():
        members = _members(text)
        named = [member for member in members if member.key == key]
        if value is None:
            for member in reversed(named):
                text = _removed(text, _members(text), member)
        elif not named:
            text = _added(text, members, key, value)
        elif not _same(named[-1].value, value):
            last = named[-1]  # of equal keys the last one counts
            text = text[: last.value_start] + _spelled(text, value) + text[last.stop :]
    return text


def new_object(values: Mapping[str, Any]) -> str:
    """A new file as AUTOMATIC1111 writes it."""
    return json.dumps(dict(values), indent=4, ensure_ascii=False)


def _members(text: str) -> list[_Member]:
    """The members in the order of the text, repeated keys among them."""
    members: list[_Member] = []
    at = _skip(text, text.index("{") + 1)
    while text[at] == '"':
        start = at
        key, key_stop = _DECODER.raw_decode(text, start)
        value_start = _skip(text, _skip(text, key_stop) + 1)
        value, stop = _DECODER.raw_decode(text, value_start)
        members.append(_Member(key, start, key_stop, value_start, stop, value))
        at = _skip(text, stop)
        if text[at] == "}":
            break
        at = _skip(text, at + 1)
    return members


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _same(old: Any, new: Any) -> bool:
    """Equal in JSON: 1 and 1.0 are, 1 and true are not."""
    return bool(old == new) and isinstance(old, bool) == isinstance(new, bool)


def _spelled(text: str, value: Any) -> str:
    """A value as the rest of the file is spelled: with letters or with escapes."""
    escaped = text.isascii() and _ESCAPE.search(text) is not None
    return json.dumps(value, ensure_ascii=escaped)


def _added(text: str, members: list[_Member], key: str, value: Any) -> str:
    spelled_key, spelled = _spelled(text, key), _spelled(text, value)
    if not members:
        opened = text.index("{") + 1
        closed = text.index("}", opened)
        newline = "\r\n" if "\r\n" in text else "\n"
        inner = f"{newline}    {spelled_key}: {spelled}{newline}"
        return text[:opened] + inner + text[closed:]
    last = members[-1]
    colon = text[last.key_stop : last.value_start]
    comma = _comma(text, members)
    return f"{text[:last.stop]}{comma}{spelled_key}{colon}{spelled}{text[last.stop:]}"


def _comma(text: str, members: list[_Member]) -> str:
    """What stands between two members; a single one tells only its own line."""
    if len(members) > 1:
        return text[members[-2].stop : members[-1].start]
    before = text[text.index("{") + 1 : members[0].start]
    if before.strip(" "):
        return f",{before}"
    spaced = text[members[0].key_stop : members[0].value_start].endswith(" ")
    return ", " if spaced else ","


def _removed(text: str, members: list[_Member], member: _Member) -> str:
    """Without a member and its comma; the space before it goes too, except before the first."""
    at = [one.start for one in members].index(member.start)
    if at > 0:
        return text[: members[at - 1].stop] + text[member.stop :]
    if len(members) > 1:
        return text[: member.start] + text[members[1].start :]
    return text[: text.index("{") + 1] + text[text.index("}", member.stop) :]
