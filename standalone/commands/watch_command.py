"""`watch`: keeps the list true while files come, go and change, and tells every change."""

from __future__ import annotations

import argparse
import math
import queue
import time
from collections.abc import Iterator
from typing import Any

from loradex.catalog.catalog import Catalog
from loradex.catalog.reading.rows import entry_row, family_text
from loradex.catalog.records import Change

from standalone.arguments import Parser
from standalone.commands.shared import (
    add_common,
    command_parser,
    open_catalog,
    print_json,
    roots_of,
)
from standalone.commands.texts import clean, count, paragraph, styled

NAME = "watch"
_LOOK_SECONDS = 0.2
_START_SECONDS = 5.0


def parser() -> Parser:
    made = command_parser(
        NAME, "[options]",
        "Keep the list of LoRAs true while files come, go, move and change, and print every "
        "change. Ends with Ctrl+C.",
    )
    made.add_argument("--for", type=_seconds, dest="seconds", metavar="SECONDS",
                      help="end by itself after so long (default: never)")
    made.add_argument("--hash", action="store_true", help="compute hashes in the background")
    add_common(made, "change")
    return made


def _seconds(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{word!r} is no number of seconds")
    return value


def run(arguments: argparse.Namespace) -> int:
    changes: queue.SimpleQueue[Change] = queue.SimpleQueue()
    with open_catalog(arguments, roots_of(arguments)) as catalog:
        before = len(catalog.refresh())
        catalog.subscribe(changes.put)
        catalog.start(hashing=arguments.hash)
        _wait_until_watching(catalog)
        if arguments.json:
            print_json([_start_row(catalog, before)])
        else:
            _print_start(catalog, before)
        for change in _until(changes, arguments.seconds):
            if arguments.json:
                print_json([change_row(catalog, change)])
            else:
                _print(catalog, change)
    return 0


def _wait_until_watching(catalog: Catalog) -> None:
    """So that the first line tells how; with many folders it takes a moment to arm them all."""
    end = time.monotonic() + _START_SECONDS
    while catalog.watch_status().mode == "off" and time.monotonic() < end:
        time.sleep(_LOOK_SECONDS / 10)


def _until(changes: queue.SimpleQueue[Change], seconds: float | None) -> Iterator[Change]:
    """Changes as they come, in slices of time so that Ctrl+C is heard on Windows too."""
    end = None if seconds is None else time.monotonic() + seconds
    while end is None or time.monotonic() < end:
        try:
            yield changes.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            continue


def change_row(catalog: Catalog, change: Change) -> dict[str, Any]:
    """A change with the entry as it is now, where there still is one."""
    row: dict[str, Any] = {"event": change.kind, "id": change.id, "old_id": change.old_id or None}
    entry = catalog.store.get(change.key)
    there = entry is not None and entry.presence != "gone"
    return {**row, "file": entry_row(entry) if entry is not None and there else None}


def _start_row(catalog: Catalog, before: int) -> dict[str, Any]:
    """The first line: from now on changes are told."""
    status = catalog.watch_status()
    return {
        "event": "watching", "roots": [str(root) for root in catalog.roots], "mode": status.mode,
        "reason": status.reason or None, "files": len(catalog.files()),
        "changes_since_last_time": before,
    }


def _print_start(catalog: Catalog, before: int) -> None:
    status = catalog.watch_status()
    reason = f" ({status.reason})" if status.reason else ""
    print(f"watching {', '.join(clean(root) for root in catalog.roots)}: {status.mode}{reason}")
    print(f"{count(len(catalog.files()), 'file')}, {count(before, 'change')} since the last time",
          flush=True)


def _print(catalog: Catalog, change: Change) -> None:
    """One line, at once, and what is wrong with the file below it."""
    entry = catalog.store.get(change.key)
    line = f"{change.kind:9} {clean(change.id)}"
    if change.old_id and change.old_id != change.id:
        line += f" (was {clean(change.old_id)})"
    if entry is None or entry.presence != "present" or change.kind not in ("added", "changed"):
        print(line, flush=True)
        return
    facts = entry.facts
    what = " ".join(filter(None, (family_text(entry), ", ".join(facts.types) or facts.kind)))
    print(line + (f": {what}" if what else ""), flush=True)
    if facts.fault is not None:
        fault = paragraph(f"{facts.fault.code}: {facts.fault.message} {facts.fault.next_step}", 10)
        print(styled(fault, 31), flush=True)
