"""Infotext: the generation parameters as AUTOMATIC1111 writes them into a picture.

    prompt, any number of lines
    Negative prompt: likewise
    Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, Lora hashes: "ink: 4d7a..."

A value with a comma, a colon, a line break, quotes or spaces at its ends is quoted as JSON. That
form cannot tell a prompt that itself has a line "Negative prompt:"; then "Prompt lines" says where
the prompt ends, which other readers take for one more parameter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from loradex.errors import InputError

_NEGATIVE = "Negative prompt:"
_PROMPT_LINES = "Prompt lines"
_LORA_HASHES = "Lora hashes"
_HASH_DIGITS = 12

_KEY = re.compile(r"\w[\w \-/]*\w|\w[\-/]")
_PARAMETER = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')
_FEWEST_PARAMETERS = 3
"""A last line with fewer is part of the prompt, unless it begins with the steps."""


@dataclass(frozen=True)
class Infotext:
    """What an infotext says; values are kept as text, unquoted."""

    prompt: str = ""
    negative_prompt: str = ""
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height in pixels."""
        match = re.fullmatch(r"(\d{1,6})x(\d{1,6})", self.params.get("Size", ""), re.ASCII)
        return (int(match[1]), int(match[2])) if match else None

    @property
    def lora_hashes(self) -> dict[str, str]:
        """Hash by name of the networks that were used."""
        return parse_lora_hashes(self.params.get(_LORA_HASHES, ""))


def write_infotext(prompt: str, negative_prompt: str, params: Mapping[str, object]) -> str:
    """One infotext; parameters that are None are left out, "Steps" should come first.

    Raises:
        InputError: a parameter has a name that no reader would find again.
    """
    prompt, negative_prompt = _plain_lines(prompt), _plain_lines(negative_prompt)
    given = {key: value for key, value in params.items() if value is not None}
    lines = prompt.split("\n") if prompt else []
    if any(line.startswith(_NEGATIVE) for line in lines):
        given[_PROMPT_LINES] = len(lines)
    if negative_prompt:
        lines.append(f"{_NEGATIVE} {negative_prompt}")
    if given:
        lines.append(", ".join(f"{_key(key)}: {_quote(given[key])}" for key in given))
    return "\n".join(lines)


def parse_infotext(text: str) -> Infotext:
    """What an infotext says; text without parameters is a prompt."""
    text = _plain_lines(text)
    head, _, last = text.rstrip().rpartition("\n")
    params = _parameters(last)
    lines = (head.split("\n") if head else []) if params else text.split("\n")
    start = _negative_start(lines, params.pop(_PROMPT_LINES, ""))
    negative = "\n".join(lines[start:]).removeprefix(_NEGATIVE).removeprefix(" ")
    return Infotext("\n".join(lines[:start]), negative, params)


def format_lora_hashes(hashes: Mapping[str, str] | Iterable[tuple[str, str]]) -> str:
    """The value of "Lora hashes": `name: 12 digits` of each network's tensor hash, in order.

    Colons and commas are dropped from names, as AUTOMATIC1111 does.
    """
    pairs = hashes.items() if isinstance(hashes, Mapping) else hashes
    return ", ".join(
        f"{name.replace(':', '').replace(',', '')}: {digits[:_HASH_DIGITS]}"
        for name, digits in pairs
    )


def parse_lora_hashes(text: str) -> dict[str, str]:
    """Hash by name; parts that are no pair are left out."""
    pairs = (part.rpartition(":") for part in text.split(","))
    return {
        name.strip(): digits.strip() for name, _, digits in pairs if name.strip() and digits.strip()
    }


def _plain_lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _key(key: str) -> str:
    if not _KEY.fullmatch(key):
        expected = "two or more letters, digits, spaces, '-' or '/'"
        raise InputError(f"infotext parameter '{key}'", "the name cannot be read back", expected)
    return key


def _quote(value: object) -> str:
    text = repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
    if re.search(r'[,:\n\r"]', text) or text != text.strip():
        return json.dumps(text, ensure_ascii=False)
    return text


def _unquote(text: str) -> str:
    if not text.startswith('"'):
        return text.rstrip()
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str) else text


def _parameters(line: str) -> dict[str, str]:
    found = {match[1].rstrip(): _unquote(match[2]) for match in _PARAMETER.finditer(line)}
    if len(found) < _FEWEST_PARAMETERS and not line.startswith("Steps:"):
        return {}
    return found


def _negative_start(lines: list[str], prompt_lines: str) -> int:
    """Index of the line that opens the negative prompt, or the number of lines."""
    after = int(prompt_lines) if re.fullmatch(r"\d{1,6}", prompt_lines, re.ASCII) else 0
    for index in range(after, len(lines)):
        if lines[index].startswith(_NEGATIVE):
            return index
    return len(lines)
