"""Records as compact JSON and back, without the fields that hold their defaults."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, TypeVar

from loradex.catalog.records import FaultNote

T = TypeVar("T")


def encode(record: Any) -> str:
    """The record as JSON of its own field names; new fields with defaults read old rows."""
    values = vars(record)
    cls: Any = type(record)
    kept = {name: values[name] for name, default in _defaults(cls)
            if values[name] != default}
    return _encoder().encode(kept)


def decode(cls: type[T], text: str) -> T:
    """The record that `encode` was given.

    Raises:
        ValueError, TypeError: the text is not of this shape.
    """
    if text == "{}":
        return cls()
    raw = json.loads(text)
    hashable: Any = cls
    readers = _readers(hashable)
    return cls(**{name: readers[name](value) for name, value in raw.items() if name in readers})


@functools.cache
def _encoder() -> json.JSONEncoder:
    # ASCII, since a sidecar's JSON may hold halves of surrogate pairs, which SQLite refuses.
    return json.JSONEncoder(separators=(",", ":"), default=_plain)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return vars(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be stored")


@functools.cache
def _defaults(cls: Any) -> tuple[tuple[str, Any], ...]:
    return tuple((each.name, _default(each)) for each in fields(cls))


def _default(each: Field[Any]) -> Any:
    if each.default is not MISSING:
        return each.default
    return each.default_factory() if each.default_factory is not MISSING else MISSING


@functools.cache
def _readers(cls: Any) -> Mapping[str, Callable[[Any], Any]]:
    return {each.name: _reader(str(each.type)) for each in fields(cls)}


def _reader(annotation: str) -> Callable[[Any], Any]:
    """How a JSON value becomes a field's value, by the text of its annotation."""
    if annotation.startswith("tuple["):
        return tuple
    if annotation == "Mapping[int, int]":
        return _int_keys
    if annotation.startswith("FaultNote"):
        return _fault
    return _same


def _same(value: Any) -> Any:
    return value


def _int_keys(value: Mapping[str, int]) -> dict[int, int]:
    return {int(key): count for key, count in value.items()}


def _fault(value: Mapping[str, str] | None) -> FaultNote | None:
    return None if value is None else FaultNote(**value)
