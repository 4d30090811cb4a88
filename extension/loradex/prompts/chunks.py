"""Splits a prompt of any length into chunks of 75 tokens, as AUTOMATIC1111 does.

A chunk that would end in the middle of a phrase is ended after its last comma instead, if that is
among its last 20 tokens; the rest moves on. `BREAK` fills the chunk. The tokenizer is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from loradex.prompts.attention import BREAK, parse_attention

CHUNK_TOKENS = 75
COMMA_BACKTRACK = 20
"""AUTOMATIC1111's default of "Prompt word wrap length limit" (comma_padding_backtrack)."""


@dataclass(frozen=True)
class SpecialTokens:
    """Token ids with a meaning; the first end token of a chunk is kept, `pad` follows it."""

    start: int = 49406
    end: int = 49407
    pad: int = 49407
    comma: int = 267


CLIP_L = SpecialTokens()
"""SD 1 and the first encoder of SDXL: padded with the end token."""

OPEN_CLIP = SpecialTokens(pad=0)
"""SD 2 and the second encoder of SDXL: padded with zero."""


@dataclass(frozen=True)
class Chunk:
    """77 tokens (start, 75, end) and the attention weight of each: 1.0 where it is no word."""

    tokens: tuple[int, ...]
    multipliers: tuple[float, ...]


@dataclass
class _Chunker:
    special: SpecialTokens
    backtrack: int
    chunks: list[Chunk] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    multipliers: list[float] = field(default_factory=list)
    last_comma: int = -1

    def add(self, token: int, weight: float) -> None:
        full = len(self.tokens) == CHUNK_TOKENS
        if full and token != self.special.comma and self._comma_is_near():
            self._end_after_comma()
        elif full:
            self.end()
        elif token == self.special.comma:
            self.last_comma = len(self.tokens)
        self.tokens.append(token)
        self.multipliers.append(weight)

    def end(self) -> None:
        self.chunks.append(_filled(self.tokens, self.multipliers, self.special))
        self.tokens, self.multipliers, self.last_comma = [], [], -1

    def _comma_is_near(self) -> bool:
        return self.last_comma >= 0 and CHUNK_TOKENS - self.last_comma <= self.backtrack

    def _end_after_comma(self) -> None:
        cut = self.last_comma + 1
        tokens, multipliers = self.tokens[cut:], self.multipliers[cut:]
        self.tokens, self.multipliers = self.tokens[:cut], self.multipliers[:cut]
        self.end()
        self.tokens, self.multipliers = tokens, multipliers


def chunk_prompt(
    text: str,
    tokenize: Callable[[str], Sequence[int]],
    special: SpecialTokens = CLIP_L,
    backtrack: int = COMMA_BACKTRACK,
) -> tuple[Chunk, ...]:
    """The chunks of a prompt, at least one.

    `tokenize` gives the ids of a piece of text without start, end or padding, and uncut.
    """
    chunker = _Chunker(special, backtrack)
    for piece in parse_attention(text):
        if piece == BREAK:
            chunker.end()
            continue
        words, weight = piece
        for token in tokenize(words):
            chunker.add(token, weight)
    if chunker.tokens or not chunker.chunks:
        chunker.end()
    return tuple(chunker.chunks)


def pad_chunks(
    prompts: Sequence[Sequence[Chunk]], special: SpecialTokens = CLIP_L
) -> tuple[tuple[Chunk, ...], ...]:
    """The same prompts with empty chunks added until all have the same number."""
    longest = max((len(chunks) for chunks in prompts), default=0)
    empty = _filled([], [], special)
    return tuple((*chunks, *[empty] * (longest - len(chunks))) for chunks in prompts)


def _filled(tokens: Sequence[int], multipliers: Sequence[float], special: SpecialTokens) -> Chunk:
    missing = CHUNK_TOKENS - len(tokens)
    return Chunk(
        (special.start, *tokens, special.end, *[special.pad] * missing),
        (1.0, *multipliers, 1.0, *[1.0] * missing),
    )
