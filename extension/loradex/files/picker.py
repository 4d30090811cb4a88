"""Typed fields out of another tool's JSON: a value of the wrong type is told and left out."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from loradex.files.entries import clip
from loradex.files.plain_text import clean, distinct, one_line, plain, split_words

Origin = Literal["hand", "manager", "spec", "site", "text", "trainer", "guess"]
"""Who says it: the user's hand, a manager's own field, ModelSpec or the like inside the file, the
page where it was published, a text beside it, the trainer, a guess from the training's tags."""

_HEX = re.compile(r"(?:0x)?([0-9a-f]{8,64})\Z", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?")
_LARGEST_ID = 2**53


@dataclass(frozen=True)
class Found:
    """What one source says, by field; nothing empty is among the values."""

    source: str
    origin: Origin
    values: Mapping[str, Any]


@dataclass
class Picker:
    """Reads fields of one JSON object; `source` is what people know it by (a file's name)."""

    document: Mapping[str, Any]
    source: str
    origin: Origin = "site"
    values: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def found(self) -> Found:
        return Found(self.source, self.origin, self.values)

    def text(self, name: str, *path: str) -> None:
        """Lines of text; a number is taken as its digits."""
        self._put(name, clean(self._string(*path)))

    def line(self, name: str, *path: str) -> None:
        self._put(name, one_line(self._string(*path)))

    def html(self, name: str, *path: str) -> None:
        """A page's text: plain under `name`, and as it stands there under `name_html`."""
        raw = self._string(*path)
        text = plain(raw)
        self._put(name, text)
        if text and clean(raw) != text:
            self.values.setdefault(f"{name}_html", raw)

    def words(self, name: str, *path: str) -> None:
        """Trigger words or tags: a list, whose elements stay whole, or one text to split."""
        value = self._at(path)
        if isinstance(value, str):
            self._put(name, split_words(value))
        elif isinstance(value, list):
            self._put(name, distinct(self._words(value, path)))
        elif value is not None:
            self._wrong(path, value, "a list of texts")

    def number(self, name: str, *path: str) -> None:
        """A finite number; 0 stands for "not set" in all formats that are read here."""
        value = self._number(*path)
        if value:
            self.values.setdefault(name, value)

    def whole(self, name: str, *path: str) -> None:
        """A whole number above 0, also spelled as text."""
        value = self._number(*path)
        if value is not None and value != 0:
            if value == int(value) and 0 < value <= _LARGEST_ID:
                self.values.setdefault(name, int(value))
            else:
                self._wrong(path, value, "a whole number")

    def flag(self, name: str, *path: str) -> None:
        """True where it is set; false is what everything is before."""
        value = self._at(path)
        if isinstance(value, bool):
            if value:
                self.values.setdefault(name, True)
        elif value is not None:
            self._wrong(path, value, "true or false")

    def hash(self, name: str, *path: str) -> None:
        """A hash in lower case without `0x`; it is a claim."""
        value = self._string(*path).strip()
        match = _HEX.match(value)
        if match:
            self._put(name, match[1].lower())
        elif value:
            self.problems.append(f"{self.source}: '{_spell(path)}' is no hash")

    def date(self, name: str, *path: str) -> None:
        """A date as ISO text, the time up to seconds."""
        match = _DATE.match(self._string(*path).strip())
        if match:
            self._put(name, match[0].replace(" ", "T"))

    def inner(self, *path: str) -> Picker:
        """A picker of an object inside this one, which puts what it finds here too."""
        value = self._at(path)
        if value is not None and not isinstance(value, dict):
            self._wrong(path, value, "an object")
            value = None
        return Picker(value or {}, self.source, self.origin, self.values, self.problems)

    def objects(self, *path: str) -> list[dict[str, Any]]:
        """The objects of a list."""
        value = self._at(path)
        if value is None:
            return []
        if not isinstance(value, list):
            self._wrong(path, value, "a list")
            return []
        return [one for one in value if isinstance(one, dict)]

    def _put(self, name: str, value: str | tuple[str, ...]) -> None:
        if value:
            self.values.setdefault(name, value)

    def _at(self, path: tuple[str, ...]) -> Any:
        value: Any = self.document
        for key in path:
            if not isinstance(value, dict):
                return None
            value = value.get(key)
        return value

    def _string(self, *path: str) -> str:
        value = self._at(path)
        if isinstance(value, str):
            return value
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return str(value) if abs(value) < _LARGEST_ID else ""
        if value is not None:
            self._wrong(path, value, "text")
        return ""

    def _number(self, *path: str) -> float | None:
        value = self._at(path)
        if value is None or value == "":
            return None
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            try:
                number = float(value)
            except (ValueError, OverflowError):
                number = math.nan
            if math.isfinite(number):
                return number
        self._wrong(path, value, "a number")
        return None

    def _words(self, value: list[Any], path: tuple[str, ...]) -> list[str]:
        """Civitai gives tags as texts or as objects with a name."""
        words = [one.get("name") if isinstance(one, dict) else one for one in value]
        texts = [one for one in words if isinstance(one, str)]
        odd = next((one for one in words if one is not None and not isinstance(one, str)), None)
        if odd is not None:
            self._wrong(path, odd, "text", " in its list")
        return [text.strip(" ,") for text in texts]

    def _wrong(self, path: tuple[str, ...], value: Any, expected: str, where: str = "") -> None:
        kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
        kind = kinds.get(type(value), "a number")
        if kind == expected:
            kind = f"'{clip(str(value))}'"
        self.problems.append(f"{self.source}: '{_spell(path)}' has {kind}{where}, not {expected}")


def _spell(path: tuple[str, ...]) -> str:
    return clip(".".join(path))
