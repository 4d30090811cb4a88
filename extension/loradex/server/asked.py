"""The parameters of a request, read strictly: a misspelt or impossible one is told, not ignored."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from loradex.errors import InputError

if TYPE_CHECKING:
    from starlette.requests import Request

_YES = ("1", "true", "yes", "on")
_DIGITS = 18
_NO = ("0", "false", "no", "off")


@dataclass(frozen=True)
class Asked:
    """A request as the answers see it: its parameters, the id in its path, and its JSON body."""

    params: Mapping[str, Sequence[str]] = field(default_factory=dict)
    id: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)

    def only(self, names: Collection[str]) -> None:
        """Refuses every other parameter."""
        for name in self.params:
            if name not in names:
                known = ", ".join(names) or "none"
                raise InputError(name, "there is no such parameter", known)

    def text(self, name: str, default: str = "") -> str:
        values = self.params.get(name, ())
        if len(values) > 1:
            raise InputError(name, f"it is given {len(values)} times", "once")
        return values[0] if values else default

    def texts(self, name: str) -> tuple[str, ...]:
        """A repeatable parameter; empty values do not count."""
        return tuple(value for value in self.params.get(name, ()) if value)

    def choices(self, name: str, known: Collection[str]) -> tuple[str, ...]:
        """A repeatable parameter, each value one of `known`."""
        values = self.texts(name)
        for value in values:
            _check_known(name, value, known)
        return values

    def choice(self, name: str, known: Collection[str], default: str) -> str:
        value = self.text(name) or default
        _check_known(name, value, known)
        return value

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number from `least` to `most`, which is not negative."""
        text = self.text(name)
        if not text:
            return default
        plain = text.isascii() and text.isdigit() and len(text) <= _DIGITS
        number = int(text) if plain else -1
        if not least <= number <= most:
            raise InputError(name, f"'{text}'", f"a whole number from {least} to {most}")
        return number

    def flag(self, name: str) -> bool | None:
        """Yes, no, or None where it is not given."""
        text = self.text(name).lower()
        if not text:
            return None
        _check_known(name, text, (*_YES, *_NO))
        return text in _YES


def asked_of(request: Request) -> Asked:
    """A request as the answers see it, its body not read yet."""
    params: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        params.setdefault(name, []).append(value)
    return Asked(params, request.path_params.get("id", ""))


def _check_known(name: str, value: str, known: Collection[str]) -> None:
    if value not in known:
        raise InputError(name, f"'{value}'", f"one of {', '.join(known)}")
