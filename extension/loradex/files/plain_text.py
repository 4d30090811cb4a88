"""Text from files of others, made fit for terminals and lists: no markup, no control characters."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

MAX_TEXT = 100_000
"""Characters of one field; Civitai's longest descriptions have about 40,000."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u202a-\u202e]")
"""Escape sequences of terminals, half surrogate pairs, and marks that turn the writing around."""
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|&(?:[a-zA-Z]+|#\d+);")
_ELEMENT = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)[^<>]*>")
_BREAKS = frozenset(
    ("p", "br", "div", "li", "ul", "ol", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "pre",
     "blockquote", "table")
)  # fmt: skip
_UNSEEN = frozenset(("script", "style", "template", "iframe", "object", "noscript", "svg"))


def clean(text: str) -> str:
    """Lines without control characters, as long as a field may be."""
    text = text[:MAX_TEXT].replace("\r\n", "\n").replace("\r", "\n")
    if not text.isprintable():
        text = _CONTROL.sub("", text)
    return text.strip()


def one_line(text: str) -> str:
    """A name or a word: cleaned, on one line."""
    return " ".join(clean(text).split())


def plain(text: str) -> str:
    """Text out of HTML, where it is HTML: paragraphs become lines, scripts are dropped."""
    text = text[:MAX_TEXT]
    if not _TAG.search(text):
        return clean(text)
    lines = (" ".join(line.split()) for line in _seen(_without_comments(text)).split("\n"))
    return clean(re.sub(r"\n{3,}", "\n\n", "\n".join(lines)))


def split_words(text: str) -> tuple[str, ...]:
    """Trigger words of one text: sets between `||` stay whole, else every comma parts two.

    Commas inside brackets belong to a weighted group and part nothing.
    """
    if "||" in text:
        return distinct(part.strip(" ,") for part in text.split("||"))
    words, depth, start = [], 0, 0
    for at, char in enumerate(text):
        if char in "([<":
            depth += 1
        elif char in ")]>":
            depth = max(depth - 1, 0)
        elif char in ",\n" and depth == 0:
            words.append(text[start:at])
            start = at + 1
    return distinct([*words, text[start:]])


def distinct(words: Iterable[str]) -> tuple[str, ...]:
    """Words on one line each, without empty ones and repetitions; the order is kept."""
    found: dict[str, str] = {}
    for word in words:
        line = one_line(word)
        if line:
            found.setdefault(line.lower(), line)
    return tuple(found.values())


def _without_comments(text: str) -> str:
    kept, at = [], 0
    while (start := text.find("<!--", at)) >= 0:
        stop = text.find("-->", start)
        kept.append(text[at:start])
        at = stop + 3 if stop >= 0 else len(text)
    return "".join([*kept, text[at:]])


def _seen(text: str) -> str:
    """What a reader of the page would see.

    No HTMLParser: it takes minutes for 100 KB of tags that are never closed.
    """
    parts: list[str] = []
    unseen, at = 0, 0
    for match in _ELEMENT.finditer(text):
        closing, name = bool(match[1]), match[2].lower()
        if not unseen:
            parts.append(html.unescape(text[at : match.start()].replace("\n", " ")))
            parts.append(_break(name, closing))
        if name in _UNSEEN:
            unseen = max(unseen + (-1 if closing else 1), 0)
        at = match.end()
    if not unseen:
        parts.append(html.unescape(text[at:].replace("\n", " ")))
    return "".join(parts)


def _break(name: str, closing: bool) -> str:
    if name not in _BREAKS or (closing and name in ("br", "hr", "li")):
        return ""
    return "\n- " if name == "li" else "\n"
