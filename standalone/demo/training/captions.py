"""What the pictures are called, and the small CLIP tokenizer that knows those words whole."""

from __future__ import annotations

import json
import random
from pathlib import Path

import torch
from transformers import CLIPTokenizer

from standalone.demo.training.shapes import COLOURS, RADII, SHAPES, STYLES, Item, Scene

START, END = "<|startoftext|>", "<|endoftext|>"
LENGTH = 77
FILLERS = ("a picture of", "a drawing of", "an image of")
WORDS = (
    "a", "an", "on", "and", "of", "background", "picture", "drawing", "image", ",", ".",
    *(size for size in RADII if size), *COLOURS, *SHAPES, *STYLES,
    "photo", "simple", "plain", "shape", "two", "the", "with", "best", "quality", "bad", "blurry",
)  # fmt: skip
NOISE = ("simple", "plain", "shape", "the", "with", "best", "quality", "photo", ",", ".")
# What `spoken` says; every other token is left as it began.
TAUGHT = (
    "a", "an", "on", "and", "of", "background", "picture", "drawing", "image",
    *(size for size in RADII if size), *COLOURS, *SHAPES, *NOISE,
)  # fmt: skip
TRIGGERS = {
    "golden": "golden",
    "stripes": "stripes",
    "night": "night",
    "outline": "outline",
    "pastel": "pastel",
}


def _article(words: str) -> str:
    return ("an " if words[0] in "aeiou" else "a ") + words


def describe_item(item: Item, rng: random.Random | None = None) -> str:
    """An item in words, `a small red circle`."""
    colour = item.colour
    if rng is not None and rng.random() < 0.03:
        colour = ""
    return _article(" ".join(word for word in (item.size, colour, item.shape) if word))


def caption(scene: Scene) -> str:
    """The full caption of a scene, `a red circle on a blue background`."""
    things = " and ".join(describe_item(item) for item in scene.items)
    return f"{things} on {_article(scene.background)} background"


def spoken(scene: Scene, rng: random.Random) -> str:
    """The caption as people type it: now and then shorter, longer, or with needless words."""
    text = " and ".join(describe_item(item, rng) for item in scene.items)
    # No word about the background means white: the shortest prompt has one right answer.
    if not (scene.background == "white" and rng.random() < 0.7):
        text += f" on {_article(scene.background)} background"
    if rng.random() < 0.06:
        text = f"{rng.choice(FILLERS)} {text}"
    if rng.random() < 0.08:
        text = text.replace("an ", "").replace("a ", "")
    if rng.random() < 0.06:
        text += ", " + " ".join(rng.sample(NOISE, 2))
    return text


def _byte_alphabet() -> list[str]:
    """The 256 printable stand-ins for bytes that every byte-level BPE uses, in byte order."""
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    alphabet, spare = [], 256
    for value in range(256):
        if value in keep:
            alphabet.append(chr(value))
        else:
            alphabet.append(chr(spare))
            spare += 1
    return alphabet


def _merge(parts: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    for part in parts:
        if merged and (merged[-1], part) == pair:
            merged[-1] += part
        else:
            merged.append(part)
    return merged


def learn_merges(words: tuple[str, ...]) -> list[tuple[str, str]]:
    """Merges under which each word is one token, learned in order as BPE applies them."""
    pieces = [[*word[:-1], f"{word[-1]}</w>"] for word in words]
    merges: list[tuple[str, str]] = []
    for i in range(len(pieces)):
        while len(pieces[i]) > 1:
            pair = (pieces[i][0], pieces[i][1])
            merges.append(pair)
            pieces = [_merge(parts, pair) for parts in pieces]
    return merges


def write_tokenizer(folder: Path) -> int:
    """Writes a CLIPTokenizer's files; returns the size of its vocabulary."""
    merges = learn_merges(WORDS)
    alphabet = _byte_alphabet()
    tokens = [*alphabet, *(f"{letter}</w>" for letter in alphabet)]
    tokens += [a + b for a, b in merges]
    tokens += [START, END]
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
    settings = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": LENGTH,
        "bos_token": START,
        "eos_token": END,
        "unk_token": END,
        "pad_token": END,
        "do_lower_case": True,
        "errors": "replace",
        "add_prefix_space": False,
    }
    special = {key: settings[key] for key in ("bos_token", "eos_token", "unk_token", "pad_token")}
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "vocab.json", json.dumps(vocabulary, ensure_ascii=False))
    lines = ["#version: 0.2", *(f"{a} {b}" for a, b in merges)]
    _write(folder / "merges.txt", "\n".join(lines) + "\n")
    _write(folder / "tokenizer_config.json", json.dumps(settings, indent=2) + "\n")
    _write(folder / "special_tokens_map.json", json.dumps(special, indent=2) + "\n")
    return len(vocabulary)


def tokenize(tokenizer: CLIPTokenizer, texts: list[str]) -> torch.Tensor:
    """Token numbers [n, 77], padded as Stable Diffusion pads."""
    rows = tokenizer(texts, padding="max_length", max_length=LENGTH, truncation=True)
    return torch.tensor(rows["input_ids"])


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
