"""Tables for people: what fits the terminal, colours where there is one."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_PIPE_WIDTH = 200
"""Columns where the output is no terminal: wide enough that grep finds whole names."""

STYLES = {
    "ok": "green", "fits": "green", "partly": "yellow", "unknown": "yellow", "no_effect": "red",
    "broken": "red", "unfinished": "yellow", "not_a_lora": "yellow",
}


def console(*, stderr: bool = False) -> Console:
    """A console as wide as the terminal; `NO_COLOR` is honoured by rich."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPE_WIDTH
    return Console(stderr=stderr, width=width, highlight=False, soft_wrap=False)


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], *, wide: str = "", title: str = ""
) -> None:
    """One table; the column named `wide` takes what room is left and is cut first."""
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for name in columns:
        table.add_column(
            name, header_style="bold", overflow="ellipsis" if name != wide else "fold",
            no_wrap=name != wide, ratio=1 if name == wide else None,
        )
    for row in rows:
        table.add_row(*(cell(value) for value in row))
    console().print(table)


def cell(value: Any) -> str:
    """A value as a cell: words of a verdict or status get their colour, nothing is empty."""
    if value is None or value == "":
        return "-"
    text = escape(str(value))
    style = STYLES.get(str(value).replace(" ", "_"))
    return f"[{style}]{text}[/{style}]" if style else text


def size_text(count: int) -> str:
    """Bytes as people read them."""
    value = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError
