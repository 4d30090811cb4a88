"""Routes that change notes and files: each change is one operation that can be taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loradex.catalog.catalog import Catalog
from loradex.catalog.organising.folders import list_folders, make_folder
from loradex.catalog.organising.operations import Operation
from loradex.catalog.organising.told import brief_row, can_undo
from loradex.errors import InputError
from loradex.server.answers import Route, entry_of, network
from loradex.server.asked import Asked
from loradex.server.backend import Backend

MOST_KEYS = 50_000
_MOST_WORDS = 500
_MOST_LETTERS = 100_000
_NOTES = ("favourite", "rating", "notes", "tags", "family")
_DESCRIPTION = ("trigger_words", "description", "preferred_strength")
_EDITS = ("favourite", "rating", "add_tags", "remove_tags", "family")
_ACTIONS = ("move", "rename", "trash", "edit")
_MOST_OPERATIONS = 500


def edit(backend: Backend, asked: Asked) -> Mapping[str, Any]:
    """Changes what the user says of one file; notes and NAME.json are an operation each."""
    catalog = backend.service.catalog()
    entry = entry_of(catalog, asked)
    _check_texts(asked.body)
    notes = {name: asked.body[name] for name in _NOTES if name in asked.body}
    if notes.get("family", "") is None:
        notes["family"] = ""
    described = {name: asked.body[name] for name in _DESCRIPTION if name in asked.body}
    made = []
    if described:  # first, since a sidecar of another tool refuses it
        made.append(_done(catalog.organiser.describe(entry.key, described)))
    if notes:
        made.append(_done(catalog.organiser.edit([entry.key], **notes)))
    kept = [one.id for one in made if can_undo(one) and _is_kept(catalog, one)]
    return {"operation": kept[-1] if kept else None, "operations": kept,
            "network": network(backend, asked)}


def operate(backend: Backend, asked: Asked) -> Mapping[str, Any]:
    """Moves, renames, throws away or edits files."""
    catalog = backend.service.catalog()
    body = asked.body
    action, keys = body.get("action"), _keys(body)
    if action not in _ACTIONS:
        raise InputError("action", repr(action), ", ".join(_ACTIONS))
    organiser = catalog.organiser
    if action == "move":
        root = catalog.roots[_root(catalog, body)] if "root" in body else None
        done = organiser.move(keys, _text(body, "folder"), root)
    elif action == "rename":
        if len(keys) != 1:
            raise InputError("keys", f"{len(keys)} files", "one file to rename")
        done = organiser.rename(keys[0], _text(body, "name"))
    elif action == "trash":
        done = organiser.trash(keys)
    else:
        _check_texts(body)
        done = organiser.edit(keys, **{name: body[name] for name in _EDITS if name in body})
    return brief_row(done, catalog.roots)


def undo(backend: Backend, asked: Asked) -> Mapping[str, Any]:
    """Takes an operation back: the one that is named, or the last that can be."""
    catalog = backend.service.catalog()
    wanted = _text(asked.body, "operation") if asked.body.get("operation") else None
    return brief_row(catalog.organiser.undo(wanted), catalog.roots)


def operations(backend: Backend, asked: Asked) -> Mapping[str, Any]:
    """What was done last, newest first."""
    catalog = backend.service.catalog()
    limit = asked.number("limit", 50, 1, _MOST_OPERATIONS)
    return {"operations": [
        brief_row(one, catalog.roots) for one in catalog.organiser.history(limit)]}


def folders(backend: Backend, _: Asked) -> Mapping[str, Any]:
    """All folders below the roots, also those that hold nothing."""
    catalog = backend.service.catalog()
    return {"folders": [
        {"root": catalog.roots.index(root), "folder": below}
        for root, below in list_folders(catalog.roots)
    ]}


def new_folder(backend: Backend, asked: Asked) -> Mapping[str, Any]:
    """Makes a folder, with those above it; one that is there already is no error."""
    catalog = backend.service.catalog()
    number = _root(catalog, asked.body)
    below = make_folder(_text(asked.body, "folder"), catalog.roots[number], catalog.roots)
    return {"root": number, "folder": below}


ROUTES = (
    Route("PATCH", "/networks/{id:path}", edit, ("root",), fields=(*_NOTES, *_DESCRIPTION),
          changes=True),
    Route("POST", "/operations", operate, changes=True, fields=(
        "action", "keys", "root", "folder", "name", *_EDITS)),
    Route("GET", "/operations", operations, ("limit",)),
    Route("POST", "/undo", undo, fields=("operation",), changes=True),
    Route("GET", "/folders", folders),
    Route("POST", "/folders", new_folder, fields=("root", "folder"), changes=True),
)


def _done(operation: Operation) -> Operation:
    """Raises InputError with what went wrong; everything was put back then."""
    if operation.problems:
        raise InputError("Nothing was changed", " ".join(operation.problems))
    return operation


def _is_kept(catalog: Catalog, operation: Operation) -> bool:
    """Whether the journal has it: what changed nothing is not written down."""
    return any(one.id == operation.id for one in catalog.organiser.history(2))


def _keys(body: Mapping[str, Any]) -> Sequence[int]:
    keys = body.get("keys")
    if not isinstance(keys, list) or not keys or len(keys) > MOST_KEYS or not all(
        isinstance(key, int) and not isinstance(key, bool) for key in keys
    ):
        raise InputError("keys", "no list of files", f"1 to {MOST_KEYS} keys of the index")
    return keys


def _root(catalog: Catalog, body: Mapping[str, Any]) -> int:
    number = body.get("root", 0)
    if isinstance(number, bool) or not isinstance(number, int) or not (
        0 <= number < len(catalog.roots)
    ):
        raise InputError("root", repr(number), f"a whole number from 0 to {len(catalog.roots) - 1}")
    return number


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str):
        raise InputError(name, f"it is a {type(value).__name__}", "a text")
    return value


def _check_texts(body: Mapping[str, Any]) -> None:
    """Bounds what goes into the index and the files: a page would drown in more."""
    for name, value in body.items():
        words = value if isinstance(value, list) else [value]
        if len(words) > (MOST_KEYS if name == "keys" else _MOST_WORDS):
            raise InputError(name, f"{len(words)} words", f"at most {_MOST_WORDS}", "", "too-large")
        if sum(len(one) for one in words if isinstance(one, str)) > _MOST_LETTERS:
            raise InputError(name, "it is too long", f"at most {_MOST_LETTERS} letters", "",
                             "too-large")
