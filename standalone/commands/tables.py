"""Tables for people: as wide as the terminal, with every name whole, also for thousands of rows.

rich's tables take seconds for a library of thousands; these take a fiftieth of it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from standalone.commands.texts import BOLD, clean, columns_of, pad, room, shorten, styled, wrap

_GAP = "  "
_LEAST = 4


@dataclass(frozen=True)
class Column:
    """One column: its title and how it behaves where there is little room."""

    title: str
    least: int = 8
    """It is wrapped at this width before another column is left out."""
    right: bool = False
    cut: bool = False
    """Ends in an ellipsis instead of going on in the next line."""
    drop: int = 0
    """Columns with a number may be left out, the highest first."""


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> None:
    """One table; a cell that is too long goes on in the next line."""
    cells = [[cell(value) for value in row] for row in rows]
    natural = [
        max((columns_of(row[index]) for row in cells), default=0)
        for index in range(len(columns))
    ]
    widths = fit(columns, natural, room())
    write = sys.stdout.write
    write(styled(_line([columns[i].title for i in widths], columns, widths), BOLD) + "\n")
    for row in cells:
        write(_row(row, columns, widths))
    sys.stdout.flush()


def cell(value: Any) -> str:
    """A value as a cell; nothing is empty."""
    return "-" if value is None or value == "" else clean(value)


def fit(columns: Sequence[Column], natural: Sequence[int], wide: int | None) -> dict[int, int]:
    """Index -> width of the columns that are shown, their sum at most `wide`."""
    natural = [max(n, len(column.title)) for n, column in zip(natural, columns, strict=True)]
    shown = list(range(len(columns)))
    if wide is None:
        return {index: natural[index] for index in shown}
    least = [min(n, max(column.least, len(column.title)))
             for n, column in zip(natural, columns, strict=True)]
    while _sum(least, shown) > wide and any(columns[index].drop for index in shown):
        shown.remove(max(shown, key=lambda index: columns[index].drop))
    widths = {index: least[index] for index in shown}
    _share_out(widths, natural, wide - _sum(least, shown))
    return widths


def _sum(widths: Sequence[int], shown: Sequence[int]) -> int:
    return sum(widths[index] for index in shown) + len(_GAP) * (len(shown) - 1)


def _share_out(widths: dict[int, int], natural: Sequence[int], left: int) -> None:
    """Gives what room is left to those that want more; takes from the widest what is missing."""
    while left < 0 and max(widths.values()) > _LEAST:
        widest = max(widths, key=lambda index: widths[index])
        widths[widest] -= 1
        left += 1
    while left > 0 and (hungry := [i for i in widths if widths[i] < natural[i]]):
        share = max(1, left // len(hungry))
        for index in hungry:
            more = min(share, natural[index] - widths[index], left)
            widths[index] += more
            left -= more


def _row(row: Sequence[str], columns: Sequence[Column], widths: dict[int, int]) -> str:
    parts = [
        [shorten(row[index], width)] if columns[index].cut else wrap(row[index], width)
        for index, width in widths.items()
    ]
    height = max(len(part) for part in parts)
    lines = [
        _line([part[at] if at < len(part) else "" for part in parts], columns, widths)
        for at in range(height)
    ]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str], columns: Sequence[Column], widths: dict[int, int]) -> str:
    padded = [
        styled_cell(text, width, right=columns[index].right)
        for text, (index, width) in zip(cells, widths.items(), strict=True)
    ]
    return _GAP.join(padded).rstrip()


def styled_cell(text: str, width: int, *, right: bool) -> str:
    """The words of a verdict or status have their colour."""
    padded = pad(text, width, right=right)
    return padded.replace(text, styled(text), 1) if text else padded


def print_pairs(pairs: Iterable[tuple[str, Any]], *, indent: int = 2) -> None:
    """Names and values below each other; what is empty is left out."""
    known = [(name, clean(value)) for name, value in pairs if value not in (None, "")]
    wide, names = room(), max((columns_of(name) for name, _ in known), default=0)
    margin = indent + names + len(_GAP)
    for name, value in known:
        first, *more = wrap(value, None if wide is None else max(wide - margin, 20))
        print(" " * indent + pad(name, names) + _GAP + first)
        for line in more:
            print(" " * margin + line)
