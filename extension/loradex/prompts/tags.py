"""Network tags in a prompt: `<lora:name:te:unet:dyn>`, as AUTOMATIC1111 reads them.

Positional: name, te strength (default 1), unet strength (default: the te strength), dyn dim.
Named, in any order: `te=`, `unet=`, `dyn=`; a named value wins over a positional one.
`lyco` is the same as `lora`. Tags of other kinds (`<hypernet:...>`) are taken out of the prompt
too, as AUTOMATIC1111 does, since the text encoder must never read a tag as words;
`foreign_tags` lists them so that a caller can tell.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from loradex.errors import PromptError

_TAG = re.compile(r"<(\w+):([^>]+)>")
_OPENED = re.compile(r"<(?:lora|lyco):", re.IGNORECASE)
_KINDS = ("lora", "lyco")
_NAMED = ("te", "unet", "dyn")


@dataclass(frozen=True)
class LoraTag:
    """One use of a network in a prompt.

    `unknown` keeps named arguments of other tools (`lbw=...`), which change nothing here.
    `text` is the tag as it stood in the prompt; it takes no part in comparisons.
    """

    name: str
    te_strength: float = 1.0
    unet_strength: float = 1.0
    dyn_dim: int | None = None
    text: str = field(default="", compare=False)
    unknown: tuple[str, ...] = ()


def extract_tags(prompt: str) -> tuple[str, tuple[LoraTag, ...]]:
    """The prompt without tags, and its network tags in order, duplicates kept.

    Raises:
        PromptError: a tag has no name, a value that is no number, too many values, or no end.
    """
    tags = tuple(
        _read_tag(match.group(0), match.group(2))
        for match in _TAG.finditer(prompt)
        if match.group(1).lower() in _KINDS
    )
    rest = _TAG.sub("", prompt)
    opened = _OPENED.search(rest)
    if opened:
        shown = rest[opened.start() : opened.start() + 40]
        raise PromptError(shown, "the tag has no name or no end", "<lora:name:strength>")
    return rest, tags


def tag_of_items(items: Sequence[object]) -> LoraTag:
    """The tag whose parts a WebUI has split at the colons already: name, then values.

    Raises:
        PromptError: as `extract_tags` does.
    """
    body = ":".join(str(item) for item in items)
    return _read_tag(f"<lora:{body}>", body)


def foreign_tags(prompt: str) -> tuple[str, ...]:
    """Tags of kinds that Loradex does not handle, as they stand in the prompt."""
    return tuple(
        match.group(0)
        for match in _TAG.finditer(prompt)
        if match.group(1).lower() not in _KINDS
    )


def format_tag(tag: LoraTag) -> str:
    """The shortest tag that reads back as `tag`.

    Raises:
        PromptError: the name holds a character that would end the tag or its name.
    """
    if not tag.name.strip() or tag.name != tag.name.strip() or re.search("[:>]", tag.name):
        raise PromptError(
            f"<lora:{tag.name}>",
            "the name cannot be written in a tag",
            "a name without ':' and '>', and without spaces around it",
            "Rename the file.",
        )
    parts = [tag.name, _number(tag.te_strength)]
    if tag.unet_strength != tag.te_strength or tag.dyn_dim is not None:
        parts.append(_number(tag.unet_strength))
    if tag.dyn_dim is not None:
        parts.append(str(tag.dyn_dim))
    return f"<lora:{':'.join([*parts, *tag.unknown])}>"


def _number(value: float) -> str:
    return repr(float(value)).removesuffix(".0")


def _read_tag(text: str, body: str) -> LoraTag:
    name, *values = (part.strip() for part in body.split(":"))
    if not name:
        raise PromptError(text, "the tag has no name", "<lora:name:strength>")
    positional = [value for value in values if "=" not in value]
    if len(positional) > len(_NAMED):
        raise PromptError(text, f"{len(positional)} values", "at most 3: te, unet, dyn")
    given = dict(zip(_NAMED, positional, strict=False))
    named, unknown = _read_named(text, [value for value in values if "=" in value])
    given.update(named)
    te_strength = _strength(text, given, "te", 1.0)
    unet_strength = _strength(text, given, "unet", te_strength)
    return LoraTag(name, te_strength, unet_strength, _dyn_dim(text, given), text, unknown)


def _read_named(text: str, values: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    named: dict[str, str] = {}
    unknown: list[str] = []
    for value in values:
        key, _, number = (part.strip() for part in value.partition("="))
        if key.lower() not in _NAMED:
            unknown.append(value)
        elif key.lower() in named:
            raise PromptError(text, f"'{key}=' is given twice", "once")
        else:
            named[key.lower()] = number
    return named, tuple(unknown)


def _strength(text: str, given: Mapping[str, str], key: str, default: float) -> float:
    if key not in given:
        return default
    try:
        value = float(given[key])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise PromptError(text, f"the {key} strength is '{given[key]}'", "a number such as 0.8")
    return value


def _dyn_dim(text: str, given: Mapping[str, str]) -> int | None:
    if "dyn" not in given:
        return None
    digits = given["dyn"]
    # 9 digits are far above any rank, and keep int() off texts of any length
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 9 and int(digits) > 0):
        raise PromptError(text, f"the dyn rank is '{digits}'", "a whole number from 1")
    return int(digits)
