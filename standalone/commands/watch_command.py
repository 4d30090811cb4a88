"""`watch`: keeps the list true while files come, go and change, and tells every change."""

from __future__ import annotations

import argparse
import queue
import time
from collections.abc import Iterator
from typing import Any

from loradex.catalog.catalog import Catalog
from loradex.catalog.records import Change

from standalone.arguments import Parser
from standalone.commands.rows import entry_row
from standalone.commands.shared import (
    add_common,
    command_parser,
    open_catalog,
    print_json,
    roots_of,
)
from standalone.commands.tables import console

NAME = "watch"
_LOOK_SECONDS = 0.2


def parser() -> Parser:
    made = command_parser(
        NAME, "[options]",
        "Keep the list of LoRAs true while files come, go, move and change, and print every "
        "change. Ends with Ctrl+C.",
    )
    made.add_argument("--for", type=float, dest="seconds", metavar="SECONDS",
                      help="end by itself after so long (default: never)")
    made.add_argument("--hash", action="store_true", help="compute hashes in the background")
    add_common(made)
    return made


def run(arguments: argparse.Namespace) -> int:
    changes: queue.SimpleQueue[Change] = queue.SimpleQueue()
    with open_catalog(arguments, roots_of(arguments)) as catalog:
        catalog.subscribe(changes.put)
        catalog.start(hashing=arguments.hash)
        if not arguments.json:
            _say_where(catalog)
        for change in _until(changes, arguments.seconds):
            if arguments.json:
                print_json([change_row(catalog, change)])
            else:
                _print(change)
    return 0


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
    if entry is not None:
        row["file"] = entry_row(entry)
    return row


def _say_where(catalog: Catalog) -> None:
    status = catalog.watch_status()
    reason = f" ({status.reason})" if status.reason else ""
    console().print(
        f"watching {', '.join(map(str, catalog.roots))}: {status.mode}{reason}", markup=False)


def _print(change: Change) -> None:
    old = f" (was {change.old_id})" if change.old_id else ""
    console().print(f"{change.kind:9} {change.id}{old}", markup=False)
