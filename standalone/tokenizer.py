"""CLIP's tokenizer built from the merges that are part of the project, without any hub."""

from __future__ import annotations

import inspect
import json
import lzma
from functools import lru_cache
from pathlib import Path
from typing import Any

MERGES_FILE = Path(__file__).parent / "tokenizer_data" / "clip_merges.txt.xz"
START = "<|startoftext|>"
END = "<|endoftext|>"
MAX_TOKENS = 77


def byte_symbols() -> list[str]:
    """The 256 characters that stand for the bytes 0 to 255 in CLIP's vocabulary, in id order.

    The printable bytes stand for themselves and come first; the others follow as U+0100 and up
    (the byte-level scheme of GPT-2, which CLIP's published vocabulary was made with).
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = 256 - len(printable)
    return [chr(byte) for byte in printable] + [chr(0x100 + n) for n in range(others)]


@lru_cache(maxsize=1)
def read_merges() -> tuple[tuple[str, str], ...]:
    """The 48,894 merges in order of rank."""
    lines = lzma.decompress(MERGES_FILE.read_bytes()).decode("utf-8").splitlines()
    pairs = (line.partition(" ") for line in lines)
    return tuple((left, right) for left, _, right in pairs)


def vocabulary(merges: tuple[tuple[str, str], ...]) -> dict[str, int]:
    """Token -> id: bytes, bytes that end a word, merges, then the two special tokens."""
    symbols = byte_symbols()
    tokens = symbols + [symbol + "</w>" for symbol in symbols]
    tokens += [left + right for left, right in merges]
    tokens += [START, END]
    return {token: number for number, token in enumerate(tokens)}


def clip_tokenizer(pad_token: str = END) -> Any:
    """A `transformers.CLIPTokenizer` with CLIP's own 49,408 tokens.

    SD 1.x and the first encoder of SDXL pad with the end token; SD 2.x and SDXL's second encoder
    pad with token 0, which is "!" (open_clip pads with zeros).
    """
    from transformers import CLIPTokenizer

    merges = read_merges()
    options: dict[str, Any] = {"pad_token": pad_token, "model_max_length": MAX_TOKENS}
    if "vocab" in inspect.signature(CLIPTokenizer.__init__).parameters:
        return CLIPTokenizer(vocab=vocabulary(merges), merges=list(merges), **options)
    return _from_files(CLIPTokenizer, merges, options)


def _from_files(cls: Any, merges: tuple[tuple[str, str], ...], options: dict[str, Any]) -> Any:
    """Before transformers 5 the constructor takes files only, so they are written for a moment."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        vocab_file = Path(folder, "vocab.json")
        merges_file = Path(folder, "merges.txt")
        vocab_file.write_text(json.dumps(vocabulary(merges)), encoding="utf-8")
        lines = ["#version: 0.2", *(f"{left} {right}" for left, right in merges)]
        # The slow tokenizer drops the first line and keeps 48,894 after it.
        merges_file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return cls(vocab_file=str(vocab_file), merges_file=str(merges_file), **options)
