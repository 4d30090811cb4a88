"""The arguments of a network tag, positional and named, as AUTOMATIC1111 and two extensions say.

Positional: te strength, unet strength, dyn rank; behind the first strength a word or a list of
numbers is sd-webui-lora-block-weight's: block weights, then elements or the value of `X`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from loradex.errors import PromptError
from loradex.prompts.curves import Strength, finite, read_strength
from loradex.prompts.schedule import Bound, Schedule, read_bound

_PLACES = ("te", "unet", "dyn")
NAMED = frozenset(
    (*_PLACES, "hr", "hrte", "hrunet", "start", "stop", "step", "lbw", "lbwe", "x"))
_FEWEST_WEIGHTS = 3
"""A list of two is a decimal comma."""


@dataclass(frozen=True)
class Arguments:
    """What a tag says behind its name; `unknown` are named arguments of other tools."""

    schedule: Schedule
    dyn_dim: int | None = None
    lbw: str = ""
    lbwe: str = ""
    lbw_x: float | None = None
    unknown: tuple[str, ...] = ()


@dataclass
class _Given:
    """The values by name, as text."""

    tag: str
    values: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def refuse(self, found: str, expected: str) -> PromptError:
        return PromptError(self.tag, found, expected)

    def strength(self, key: str) -> Strength | None:
        if key not in self.values:
            return None
        read = read_strength(self.values[key])
        if read is None:
            raise self.refuse(f"the {key} strength is '{self.values[key]}'",
                              "a number such as 0.8, or a curve such as 0@0,1@0.5")
        return read

    def bound(self, key: str) -> Bound | None:
        if key not in self.values:
            return None
        read = read_bound(self.values[key])
        if read is None:
            raise self.refuse(f"'{key}={self.values[key]}'",
                              "a step such as 10, or a part of the pass such as 0.5")
        return read


def read_arguments(tag: str, values: Sequence[str]) -> Arguments:
    """The arguments of a tag; `values` are its parts between the colons.

    Raises:
        PromptError: a value that cannot be read, one too many, or one that is given twice.
    """
    given = _named(tag, [value for value in values if "=" in value])
    for key, value in _positional(tag, [value for value in values if "=" not in value]).items():
        given.values.setdefault(key, value)
    _split_step(given)
    return Arguments(_schedule(given), _dyn_dim(given), _text(given, "lbw"), _text(given, "lbwe"),
                     _filler(given), tuple(given.unknown))


def _named(tag: str, values: Sequence[str]) -> _Given:
    given = _Given(tag)
    for value in values:
        key, _, text = (part.strip() for part in value.partition("="))
        if key.lower() not in NAMED:
            given.unknown.append(value)
        elif key.lower() in given:
            raise given.refuse(f"'{key}=' is given twice", "once")
        else:
            given.values[key.lower()] = text
    return given


def _positional(tag: str, values: Sequence[str]) -> Mapping[str, str]:
    first = next((i for i, one in enumerate(values) if i and _is_word(one)), len(values))
    strengths, words = values[:first], values[first:]
    if len(strengths) > len(_PLACES):
        raise PromptError(tag, f"{len(strengths)} values", "at most 3: te, unet, dyn")
    found = dict(zip(_PLACES, strengths, strict=False))
    if words:
        found["lbw"] = words[0]
    for value in words[1:]:
        key = "x" if finite(value) is not None else "lbwe"
        if key in found:
            raise PromptError(tag, f"'{value}' behind the block weights", "at most 2 values there")
        found[key] = value
    return found


def _is_word(text: str) -> bool:
    """The name of a preset, or a list of weights."""
    if read_strength(text) is not None or "@" in text or not text:
        return False
    if "," in text:
        return text.count(",") + 1 >= _FEWEST_WEIGHTS
    # 'nan' and 'Infinity' are numbers to float(), and no strength
    return bool(re.match(r"[^\W\d]", text)) and not re.fullmatch(
        "nan|inf|infinity", text, re.IGNORECASE)


def _split_step(given: _Given) -> None:
    """`step=5-10` is `start=5:stop=10`."""
    if "step" not in given:
        return
    text = given.values.pop("step")
    if "start" in given or "stop" in given:
        raise given.refuse("'step=' beside 'start=' or 'stop='", "one of the two forms")
    start, dash, stop = (part.strip() for part in text.partition("-"))
    if not dash:
        raise given.refuse(f"'step={text}'", "two steps such as 5-10")
    given.values |= {"start": start, "stop": stop}


def _schedule(given: _Given) -> Schedule:
    te, unet, both = given.strength("te"), given.strength("unet"), given.strength("hr")
    te = 1.0 if te is None else te
    hr_te, hr_unet = given.strength("hrte"), given.strength("hrunet")
    return Schedule(
        te, te if unet is None else unet, both if hr_te is None else hr_te,
        both if hr_unet is None else hr_unet, given.bound("start"), given.bound("stop"))


def _dyn_dim(given: _Given) -> int | None:
    if "dyn" not in given:
        return None
    digits = given.values["dyn"]
    # 9 digits are far above any rank, and keep int() off texts of any length
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 9 and int(digits) > 0):
        raise given.refuse(f"the dyn rank is '{digits}'", "a whole number from 1")
    return int(digits)


def _text(given: _Given, key: str) -> str:
    if key in given and not given.values[key]:
        raise given.refuse(f"'{key}=' is empty", "the name of a preset")
    return given.values.get(key, "")


def _filler(given: _Given) -> float | None:
    if "x" not in given:
        return None
    value = finite(given.values["x"])
    if value is None:
        raise given.refuse(f"'x={given.values['x']}'", "a number such as 0.7")
    return value
