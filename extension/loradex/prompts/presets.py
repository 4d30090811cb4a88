"""Block weights by name: built in, and out of sd-webui-lora-block-weight's preset files.

A line `NAME:1,0,0.5,...` is a list of block weights, `NAME:BLOCKS:WORDS:WEIGHT` begins elemental
rules that commas and further lines `BLOCKS:WORDS:WEIGHT` go on with. Lines with `#` or without a
colon are comments. A line that cannot be read takes no other with it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from loradex.errors import PromptError
from loradex.prompts.curves import finite
from loradex.prompts.elements import ElementRule, read_rule

_RANDOM = ("R", "U")
_FILLED = re.compile(r"X(?:([+-])([\d.]+))?")
_ROW = 3
"""Colons of the first rule of a name."""


class WeightError(ValueError):
    """A list holds something that is no weight; the text says what."""


@dataclass(frozen=True)
class Presets:
    """Texts of weight lists and rules by name; `faults` say by name why a line is none."""

    lists: Mapping[str, str] = field(default_factory=dict)
    rules: Mapping[str, tuple[ElementRule, ...]] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)

    def over(self, other: Presets) -> Presets:
        """Both; the names of this one win, also where they cannot be read."""
        mine = {*self.lists, *self.rules, *self.faults}
        return Presets(
            {**_without(mine, other.lists), **self.lists},
            {**_without(mine, other.rules), **self.rules},
            {**_without(mine, other.faults), **self.faults})

    def weights(self, text: str, tag: str, filler: float | None = None) -> tuple[float, ...]:
        """The weights of `lbw=`: a list as it stands, or that of a preset.

        Raises:
            PromptError: no preset of that name, or a list with something that is no weight.
        """
        row = text if "," in text else self._named(self.lists, text, tag, "block weights")
        try:
            return read_weights(row, filler)
        except WeightError as error:
            raise PromptError(tag, f"lbw={text}: {error}", "numbers such as 0.5, or X") from None

    def elements(self, text: str, tag: str) -> tuple[ElementRule, ...]:
        """The rules of `lbwe=`.

        Raises:
            PromptError: no preset of that name.
        """
        return self._named(self.rules, text, tag, "elemental weights")

    def _named(self, known: Mapping[str, T], name: str, tag: str, what: str) -> T:
        if name in known:
            return known[name]
        folded = [one for one in known if one.casefold() == name.casefold()]
        if len(folded) == 1:
            return known[folded[0]]
        if name in self.faults:
            raise PromptError(tag, self.faults[name], "", "Mend the line.")
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        listed = " or ".join(f"'{one}'" for one in near)
        raise PromptError(
            tag, f"no {what} are called '{name}'", "" if near else f"one of {', '.join(known)}",
            f"Did you mean {listed}?" if near else "")


T = TypeVar("T")


def _without(names: Collection[str], known: Mapping[str, T]) -> dict[str, T]:
    return {name: one for name, one in known.items() if name not in names}


def read_weights(row: str, filler: float | None = None) -> tuple[float, ...]:
    """The numbers of a list; `X`, `X+0.1` and `X-0.1` are made of `filler` (1 without one).

    Raises:
        WeightError: something else is in it.
    """
    return tuple(_weight(cell.strip(), 1.0 if filler is None else filler)
                 for cell in row.split(","))


def _weight(cell: str, filler: float) -> float:
    if cell in _RANDOM:
        raise WeightError(f"'{cell}' asks for a random weight, and such a picture cannot be made "
                          "again")
    shifted = _FILLED.fullmatch(cell)
    if shifted:
        by = finite(f"{shifted[1]}{shifted[2]}") if shifted[1] else 0.0
        value = None if by is None else filler + by
    else:
        value = finite(cell)
    if value is None:
        raise WeightError(f"'{cell}' is no weight")
    return value


def read_presets(text: str, source: str) -> Presets:
    """The presets of one file; `source` names it in faults. Of equal names the last wins."""
    lists: dict[str, str] = {}
    rules: dict[str, tuple[ElementRule, ...]] = {}
    faults: dict[str, str] = {}
    last = ""
    for line, row in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        name, _, rest = (part.strip() for part in row.partition(":"))
        if "#" in row or ":" not in row:
            last = last if row.strip() else ""
            continue
        colons = row.partition(",")[0].count(":")
        where = f"line {line} of {source}: "
        if colons == 1:
            last = ""
            try:
                read_weights(rest)
                lists[name] = rest
            except WeightError as error:
                _fault(name, where + str(error), lists, faults)
        elif colons == _ROW or (colons == _ROW - 1 and last):
            name, rest = (name, rest) if colons == _ROW else (last, row)
            before = () if colons == _ROW else rules.get(name, ())
            found = [read_rule(part) for part in rest.split(",")]
            last = name
            if None in found:
                _fault(name, f"{where}no rule BLOCKS:WORDS:WEIGHT", rules, faults)
            elif name not in faults or colons == _ROW:
                rules[name] = (*before, *(one for one in found if one is not None))
        else:
            _fault(name, f"{where}neither weights nor BLOCKS:WORDS:WEIGHT", lists, faults)
    return Presets(lists, rules, {name: why for name, why in faults.items()
                                  if name not in lists and name not in rules})


def _fault(name: str, why: str, known: dict[str, T], faults: dict[str, str]) -> None:
    faults[name] = why
    known.pop(name, None)


def joined(found: Iterable[Presets]) -> Presets:
    """All of them over the built-in ones; later ones win."""
    result = BUILT_IN
    for one in found:
        result = one.over(result)
    return result


# The names and numbers of sd-webui-lora-block-weight's own presets: 17 values, so SD1's.


def _seventeen(ones: str) -> str:
    return ",".join(ones)


BUILT_IN = Presets(
    {
        "NONE": _seventeen("0" * 17),
        "ALL": _seventeen("1" * 17),
        "INS": _seventeen("1111" + "0" * 13),
        "IND": _seventeen("1000111" + "0" * 10),
        "INALL": _seventeen("1" * 7 + "0" * 10),
        "MIDD": _seventeen("1000" + "1" * 8 + "0" * 5),
        "OUTD": _seventeen("1" + "0" * 7 + "1111" + "0" * 5),
        "OUTS": _seventeen("1" + "0" * 11 + "1" * 5),
        "OUTALL": _seventeen("1" + "0" * 7 + "1" * 9),
        "ALL0.5": ",".join(["0.5"] * 17),
        "FLUXALL": ",".join(["1"] * 61),
    },
    {
        "ATTNDEEPON": (ElementRule(("IN05-OUT05",), ("attn",), 1.0),),
        "ATTNDEEPOFF": (ElementRule(("IN05-OUT05",), ("attn",), 0.0),),
        "PROJDEEPOFF": (ElementRule(("IN05-OUT05",), ("proj",), 0.0),),
    },
)
