"""What the JSON API answers: one function for each route, from a request to plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast, get_args

from loradex import __version__
from loradex.catalog.catalog import Catalog
from loradex.catalog.reading.details import judge
from loradex.catalog.reading.rows import checkpoint_row, details_row, time_text, verdict_row
from loradex.catalog.records import Entry, Query, Sort, Status
from loradex.compat.checkpoint_facts import CheckpointFacts
from loradex.compat.families import FAMILIES
from loradex.compat.matching import Answer
from loradex.errors import InputError, NetworkError, NetworkNotFoundError
from loradex.server.asked import Asked
from loradex.server.backend import Backend
from loradex.server.live import hashing_row

MOST_AT_ONCE = 500
_USUAL = 100
_UNKNOWN = "unknown"
_FILTERS = ("q", "family", "type", "status", "fits", "folder", "tag", "favourite", "sort",
            "descending", "offset", "limit")
_FARTHEST = 10**9


class Route(NamedTuple):
    """One route below the prefix; `tagged` ones get an ETag, since their answers seldom change."""

    method: str
    path: str
    answer: Callable[[Backend, Asked], Mapping[str, Any]]
    params: tuple[str, ...] = ()
    tagged: bool = False
    fields: tuple[str, ...] = ()
    """Names that its JSON body may have; without any it takes no body."""
    changes: bool = False
    """Whether it changes files or notes, which needs the token and a host that allows it."""


def status(backend: Backend, _: Asked) -> Mapping[str, Any]:
    """How everything stands, for a first look and for bug reports."""
    catalog, checkpoint = backend.service.catalog(), backend.service.checkpoint()
    watch = catalog.watch_status()
    engine = backend.service.engine()
    return {
        "version": __version__, "host": engine.get("host", ""),
        "engine": {"on": bool(engine.get("on")), "reason": engine.get("reason", "")},
        "checkpoint": None if checkpoint is None else {
            "name": checkpoint.name, "title": checkpoint.title,
            "family": checkpoint.family or None,
        },
        "watch": {
            "mode": watch.mode, "reason": watch.reason, "polled": _texts(watch.polled),
            "offline": _texts(watch.offline),
        },
        "roots": _texts(catalog.roots),
        "counts": counts(catalog), "notes": list(catalog.notes),
        "hashing": hashing_row(catalog),
        "token": backend.token, "locked": backend.service.locked(),
        "families": {one.key: one.title for one in FAMILIES},
    }


def networks(backend: Backend, asked: Asked) -> Mapping[str, Any]:
    """One page of the list, as cards and rows need it."""
    catalog, checkpoint = backend.service.catalog(), backend.service.checkpoint()
    query = query_of(asked, "" if checkpoint is None else catalog.judge(checkpoint))
    page = catalog.page(query)
    return {
        "total": page.total, "offset": query.offset, "limit": query.limit,
        "networks": [light_row(entry, catalog) for entry in page.entries],
    }


def network(backend: Backend, asked: Asked) -> Mapping[str, Any]:
    """Everything about one file; its header and all notes beside it are read now."""
    catalog, checkpoint = backend.service.catalog(), backend.service.checkpoint()
    entry = entry_of(catalog, asked)
    details = catalog.details(entry)
    row = details_row(details)
    row["modules"] = [
        [one.module.component, one.module.name, one.description.rank] for one in details.modules
    ]
    row["root"] = catalog.roots.index(entry.file.root)
    row["key"] = entry.key
    row["short_name"] = catalog.names.short_name(entry.file)
    row["check"] = None if checkpoint is None else verdict_row(judge(entry, checkpoint))
    return row


def applied(backend: Backend, _: Asked) -> Mapping[str, Any]:
    """What the last generation's networks did."""
    return backend.service.applied()


def refresh(backend: Backend, _: Asked) -> Mapping[str, Any]:
    """Looks through all folders now."""
    catalog = backend.service.catalog()
    changes = Counter(change.kind for change in catalog.refresh())
    return {"changes": dict(changes), "counts": counts(catalog)}


def checkpoint(backend: Backend, _: Asked) -> Mapping[str, Any]:
    """What is known of the loaded checkpoint, and why."""
    facts = backend.service.checkpoint()
    return {"checkpoint": None if facts is None else _checkpoint_row(facts)}


ROUTES = (
    Route("GET", "/status", status),
    Route("GET", "/networks", networks, _FILTERS, tagged=True),
    Route("GET", "/networks/{id:path}", network, ("root",), tagged=True),
    Route("GET", "/applied", applied),
    Route("POST", "/refresh", refresh),
    Route("GET", "/checkpoint", checkpoint, tagged=True),
)


def query_of(asked: Asked, judged: str) -> Query:
    """The query of a request; `judged` is the id of the checkpoint whose verdicts count.

    Raises:
        InputError: a value is impossible, or verdicts are asked for and no checkpoint is loaded.
    """
    families = (_UNKNOWN, *(one.key for one in FAMILIES))
    fits = asked.choices("fits", get_args(Answer))
    if fits and not judged:
        raise InputError("fits", "no checkpoint is loaded to judge by", "a loaded checkpoint")
    return Query(
        text=asked.text("q"),
        families=tuple("" if one == _UNKNOWN else one for one in asked.choices("family", families)),
        types=asked.texts("type"),
        statuses=cast("tuple[Status, ...]", asked.choices("status", get_args(Status))),
        verdicts=fits, checkpoint=judged, folder=asked.text("folder"), tags=asked.texts("tag"),
        favourite=asked.flag("favourite"),
        sort=cast("Sort", asked.choice("sort", get_args(Sort), "name")),
        descending=bool(asked.flag("descending")), offset=asked.number("offset", 0, 0, _FARTHEST),
        limit=asked.number("limit", _USUAL, 0, MOST_AT_ONCE),
    )


def entry_of(catalog: Catalog, asked: Asked) -> Entry:
    """The entry of an id, in the root that is named or in the only one that has it."""
    found = list(_found(catalog, asked))
    if not found:
        raise NetworkNotFoundError(asked.id)
    if len(found) > 1:
        numbers = " or ".join(f"?root={catalog.roots.index(one.file.root)}" for one in found)
        raise NetworkError(asked.id, f"{len(found)} folders have a file of that id", "one",
                           f"Add {numbers}.", "ambiguous")
    return found[0]


def _found(catalog: Catalog, asked: Asked) -> Iterator[Entry]:
    roots = catalog.roots
    if asked.text("root"):
        number = asked.number("root", 0, 0, len(roots) - 1)
        roots = roots[number : number + 1]
    for root in roots:
        entry = catalog.store.find(root, asked.id)
        if entry is not None:
            yield entry


def light_row(entry: Entry, catalog: Catalog) -> dict[str, Any]:
    file, facts, fault = entry.file, entry.facts, entry.facts.fault
    return {
        "key": entry.key, "id": file.id, "root": catalog.roots.index(file.root),
        "name": file.name, "short_name": catalog.names.short_name(file),
        "title": entry.summary.title, "presence": entry.presence, "status": facts.status,
        "family": entry.family or None, "candidates": list(facts.candidates),
        "types": list(facts.types), "rank": facts.rank, "verdict": entry.verdict or None,
        "fault": None if fault is None else {"code": fault.code, "message": fault.message},
        "trigger_words": list(entry.summary.trigger_words),
        "preferred_strength": entry.summary.preferred_strength,
        "favourite": entry.user.favourite, "rating": entry.user.rating,
        "size_bytes": file.size, "modified": time_text(file.mtime_ns / 1e9),
        "preview": bool(entry.summary.preview),
    }


def _checkpoint_row(facts: CheckpointFacts) -> dict[str, Any]:
    return {
        **checkpoint_row(facts), "title": facts.title, "components": list(facts.components),
        "assumed": list(facts.assumed), "not_a_checkpoint": facts.not_a_checkpoint or None,
    }


def counts(catalog: Catalog) -> dict[str, int]:
    """How many files are listed, and how many of them cannot be used as they are."""
    count = catalog.store.count
    return {"networks": count(Query()), "faults": count(Query(has_fault=True))}


def _texts(paths: tuple[Path, ...]) -> list[str]:
    return [str(path) for path in paths]
