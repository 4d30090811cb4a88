"""Text for people: safe to print, measured in columns, wrapped and coloured for the terminal."""

from __future__ import annotations

import functools
import os
import re
import shutil
import sys
from typing import Any

STYLES = {
    "ok": 32, "fits": 32, "partly": 33, "unknown": 33, "unfinished": 33, "not-a-lora": 33,
    "offline": 33, "no effect": 31, "broken": 31,
}
"""Word -> ANSI colour: green, yellow, red."""
BOLD = 1
_JOINER = "\u200d"
"""Joins emoji to one picture; the only unprintable character that names are left with."""
_WORDS = re.compile(r"\S+")
_SEPARATORS = re.compile(r"[/\\_\-.,:;|+)\]]")


def room() -> int | None:
    """The columns of the terminal, or what COLUMNS says; None where the output goes elsewhere.

    There a row is one line, however long: whatever reads it can cut it better.
    """
    if os.environ.get("COLUMNS", "").isdigit() or sys.stdout.isatty():
        return max(shutil.get_terminal_size().columns, 20)
    return None


def clean(value: Any) -> str:
    """One line that does nothing to a terminal, whatever a file's name or metadata holds."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or one == _JOINER else " " if one.isspace() else "\ufffd"
        for one in text
    )


def columns_of(text: str) -> int:
    """How many columns a text takes: two for a character of East Asia or an emoji."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def pad(text: str, width: int, *, right: bool = False) -> str:
    """A text filled up with spaces to a width, to its right end or in front of it."""
    spaces = " " * (width - columns_of(text))
    return spaces + text if right else text + spaces


def wrap(text: str, width: int | None) -> list[str]:
    """Lines of at most `width` columns; a word that is longer is broken behind a separator."""
    if width is None or columns_of(text) <= width:
        return [text]
    lines, line = [], ""
    for word in _WORDS.findall(text):
        if line and columns_of(line) + 1 + columns_of(word) > width:
            lines.append(line)
            line = ""
        while columns_of(word) > width:  # only where no line is open: a line before was closed
            head = _head(word, width)
            lines.append(head)
            word = word[len(head) :]
        line = f"{line} {word}" if line else word
    return [*lines, line] if line else lines


def shorten(text: str, width: int) -> str:
    """A text that is too long ends in an ellipsis."""
    if columns_of(text) <= width:
        return text
    while columns_of(text) >= width:
        text = text[:-1]
    return text.rstrip() + "…"


def _head(word: str, width: int) -> str:
    """As much of a word as a line takes, up to its last separator if that is not too short."""
    used, end = 0, 0
    for one in word:
        used += columns_of(one)
        if used > width:
            break
        end += 1
    end = max(end, 1)
    cuts = [found.end() for found in _SEPARATORS.finditer(word, 0, end)]
    return word[: cuts[-1]] if cuts and cuts[-1] > end // 2 else word[:end]


def paragraph(text: str, indent: int) -> str:
    """A text with every line indented, as wide as the terminal."""
    wide = room()
    lines = wrap(clean(text), None if wide is None else max(wide - indent, 20))
    return "\n".join(" " * indent + line for line in lines)


def styled(text: str, code: int | None = None) -> str:
    """A text in a colour where there are any; without a code, by the word itself."""
    if code is None:
        code = STYLES.get(text.strip())
    return f"\x1b[{code}m{text}\x1b[0m" if code is not None and _coloured() else text


def _coloured() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and _knows_colours()


@functools.lru_cache(maxsize=1)
def _knows_colours() -> bool:
    """rich knows the terminals of all systems."""
    from rich.console import Console

    asked = Console()
    return asked.color_system is not None and not asked.legacy_windows


def count(number: int, one: str, many: str = "") -> str:
    """`1 file`, `2 files`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def size_text(size: int) -> str:
    """Bytes as people read them."""
    if size < 1000:
        return f"{size} B"
    value, units = size / 1000, ["KB", "MB", "GB"]
    while value >= 999.95 and len(units) > 1:
        value /= 1000
        del units[0]
    return f"{value:,.1f} {units[0]}"
