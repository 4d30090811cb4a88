"""The list of the tab as HTML; every text out of a file or a sidecar is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from loradex.catalog.records import Entry
from loradex.compat.checkpoint_facts import CheckpointFacts

VERDICTS = {
    "fits": ("✓", "fits"), "partly": ("◐", "fits in part"), "no_effect": ("✕", "no effect"),
    "unknown": ("?", "unknown"), "broken": ("!", "broken"),
}
_WORDS = 12
"""Trigger words that are shown of one file."""


def message(text: str) -> str:
    return f'<p class="loradex-note">{escape(text)}</p>'


def heading(
    engine: Mapping[str, Any], facts: CheckpointFacts | None, total: int, page: int, size: int,
    notes: Sequence[str],
) -> str:
    """What is loaded, who applies LoRAs, and which part of the list this is."""
    pages = max(1, -(-total // size))
    loaded = f"{facts.name} ({facts.title})" if facts else "no checkpoint that is known"
    state = "on" if engine["on"] else f"off: {engine['reason']}"
    lines = [f"Loaded: {loaded}. Loradex is {state}.",
             f"{total} files, page {page} of {pages}.", *notes]
    return "".join(message(line) for line in lines)


def table(entries: Iterable[Entry], names: Mapping[int, str]) -> str:
    """One row a file; `names` are what prompts call them."""
    rows = "".join(_row(entry, names[entry.key]) for entry in entries)
    if not rows:
        return message("No file matches.")
    titles = ("", "Name", "Base model", "Type", "With this checkpoint", "Trigger words")
    head = "".join(f"<th>{title}</th>" for title in titles)
    return (f'<table class="loradex-table"><thead><tr>{head}</tr></thead>'
            f"<tbody>{rows}</tbody></table>")


def _row(entry: Entry, name: str) -> str:
    facts, words = entry.facts, entry.summary.trigger_words
    family = entry.family or " or ".join(facts.candidates) or "unknown"
    kinds = ", ".join(facts.types) + (f", rank {facts.rank}" if facts.rank else "")
    cells = (
        _insert(entry, name), f"<b>{escape(name)}</b>{_fault(entry)}", escape(family),
        escape(kinds or facts.kind), _verdict(entry.verdict),
        "".join(_word(word) for word in words[:_WORDS]),
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _insert(entry: Entry, name: str) -> str:
    if entry.facts.status != "ok":
        return ""
    strength = entry.summary.preferred_strength or 1
    tag = f"<lora:{name}:{strength:g}>"
    return _button(tag, "Insert", f"put {tag} into the prompt")


def _word(word: str) -> str:
    return _button(word, word, "put these words into the prompt")


def _button(text: str, label: str, title: str) -> str:
    """A button that javascript/loradex.js knows by its attribute."""
    return (f'<button type="button" class="loradex-insert" data-loradex-insert="'
            f'{escape(text, quote=True)}" title="{escape(title, quote=True)}">'
            f"{escape(label)}</button> ")


def _verdict(answer: str) -> str:
    known = answer if answer in VERDICTS else "unknown"
    shape, word = VERDICTS[known]
    return f'<span class="loradex-verdict loradex-{known}">{shape} {word}</span>'


def _fault(entry: Entry) -> str:
    fault = entry.facts.fault
    if fault is None:
        return ""
    text = " ".join(part for part in (fault.message, fault.next_step) if part)
    return f'<div class="loradex-fault">{escape(text)}</div>'
