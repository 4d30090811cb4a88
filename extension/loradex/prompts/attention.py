"""Attention weights in a prompt: `(more)`, `[less]`, `(text:1.3)`, as in AUTOMATIC1111.

Round brackets multiply by 1.1, square ones divide by it, `(text:1.3)` multiplies by the number;
they nest, may overlap, and one that is never closed reaches to the end. A backslash makes a
bracket or a backslash text. `BREAK` ends a chunk. Two things differ on purpose: `BREAK` inside
brackets is still a break (there it becomes the word "break" with a negative weight), and a
number like `1.2.3` is text (there it ends the run).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

BREAK = ("BREAK", -1.0)
"""What stands in the result where a chunk ends."""

_STEP = 1.1

_TOKEN = re.compile(
    r"\\(?P<escaped>[()\[\]\\]?)"
    r"|(?P<open>[(\[])"
    r"|:\s*(?P<weight>[+-]?[.\d]+)\s*\)"
    r"|(?P<close>[)\]])"
    r"|(?P<text>[^\\()\[\]:]+|:)"
)
_BREAK = re.compile(r"\s*\bBREAK\b\s*")


@dataclass
class _Pieces:
    """Pieces of text with their weights; a break is `None` and keeps no weight."""

    texts: list[str | None] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    opened: dict[str, list[int]] = field(default_factory=lambda: {"(": [], "[": []})

    def add(self, text: str | None) -> None:
        self.texts.append(text)
        self.weights.append(1.0)

    def add_words(self, text: str) -> None:
        for index, words in enumerate(_BREAK.split(text)):
            if index:
                self.add(None)
            self.add(words)

    def open(self, bracket: str) -> None:
        self.opened[bracket].append(len(self.texts))

    def close(self, bracket: str, factor: float) -> bool:
        """Weights everything since the last open bracket of that kind, if there is one."""
        if not self.opened[bracket]:
            return False
        for index in range(self.opened[bracket].pop(), len(self.weights)):
            self.weights[index] *= factor
        return True

    def close_all(self) -> None:
        while self.close("(", _STEP):
            pass
        while self.close("[", 1 / _STEP):
            pass

    def merged(self) -> list[tuple[str, float]]:
        """Neighbours of equal weight joined; at least one piece."""
        result: list[tuple[str, float]] = []
        broken = True
        for text, weight in zip(self.texts, self.weights, strict=True):
            if text is None:
                result.append(BREAK)
            elif not broken and result[-1][1] == weight:
                result[-1] = (result[-1][0] + text, weight)
            else:
                result.append((text, weight))
            broken = text is None
        return result or [("", 1.0)]


def parse_attention(text: str) -> list[tuple[str, float]]:
    """Pieces of a prompt with their weights, in order; `BREAK` where a chunk ends."""
    pieces = _Pieces()
    for token in _TOKEN.finditer(text):
        _take(pieces, token)
    pieces.close_all()
    return pieces.merged()


def _take(pieces: _Pieces, token: re.Match[str]) -> None:
    if token["escaped"] is not None:
        pieces.add(token["escaped"])
    elif token["open"]:
        pieces.open(token["open"])
    elif token["weight"]:
        _close_weighted(pieces, token)
    elif token["close"]:
        bracket, factor = ("(", _STEP) if token["close"] == ")" else ("[", 1 / _STEP)
        if not pieces.close(bracket, factor):
            pieces.add(token["close"])
    else:
        pieces.add_words(token["text"])


def _close_weighted(pieces: _Pieces, token: re.Match[str]) -> None:
    weight = _number(token["weight"])
    if weight is None:
        pieces.add(token[0].removesuffix(")"))
        if not pieces.close("(", _STEP):
            pieces.add(")")
    elif not pieces.close("(", weight):
        pieces.add(token[0])


def _number(digits: str) -> float | None:
    try:
        value = float(digits)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
