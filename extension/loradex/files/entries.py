"""The JSON inside a safetensors header, read strictly: any tool or site may have made it."""

from __future__ import annotations

import json
from typing import Any

from loradex.files.faults import AGAIN, Fault

DTYPE_BITS: dict[str, int] = {
    "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
    "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "F16": 16, "BF16": 16, "F32": 32, "F64": 64, "C64": 64,
}  # fmt: skip

_MAX_DIGITS = 20
"""Longer than any 64-bit number; Python before 3.10.7 parses huge ones in quadratic time."""

_LARGEST = 2**63 - 1
_MOST_ELEMENTS = 2**64 - 1

Entry = tuple[str, tuple[int, ...], int, int]
"""dtype, shape, start, stop."""


class _RepeatedKeyError(ValueError):
    """A key stands twice in one object; JSON readers silently let the last one win."""


def read_document(raw: bytes) -> dict[str, Any]:
    """The header as a dict with unique, printable keys."""
    document = _decode(raw)
    if not isinstance(document, dict):
        raise _wrong(f"the header is a JSON {_json_type(document)}", "an object")
    for name in document:
        _check_text(name, "a tensor name")
    return document


def _decode(raw: bytes) -> Any:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        found = f"the header is no UTF-8 text (byte {error.start + 8:,} of the file)"
        raise Fault("not-utf8", found, "", AGAIN) from error
    try:
        return json.loads(
            text,
            object_pairs_hook=unique,
            parse_int=_parse_int,
            parse_constant=_refuse_constant,
        )
    except _RepeatedKeyError as error:
        found = f"the header names '{clip(str(error))}' twice"
        raise Fault("duplicate-key", found, "every name once") from error
    except RecursionError:
        raise Fault("not-json", "the header is nested too deeply", "JSON", AGAIN) from None
    except ValueError as error:
        found = f"the header cannot be read as JSON ({error})"
        raise Fault("not-json", found, "", AGAIN) from error


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An `object_pairs_hook` that refuses a key that stands twice."""
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _RepeatedKeyError(key)
            seen.add(key)
    return result


def _parse_int(digits: str) -> int | float:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"a number with {len(digits)} digits")
    return -0.0 if digits == "-0" else int(digits)  # no whole number, says the library too


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is not allowed")


def read_metadata(value: Any) -> dict[str, str]:
    """The `__metadata__` object: text to text, or nothing."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong(f"__metadata__ is a JSON {_json_type(value)}", "an object")
    for key, text in value.items():
        _check_text(key, "a metadata key")
        if not isinstance(text, str):
            found = f"the metadata '{clip(key)}' is a JSON {_json_type(text)}"
            raise Fault("metadata-not-text", found, "text")
        if not _is_text(text):
            raise _broken_text(f"the metadata '{clip(key)}'")
    return value


def read_entry(name: str, entry: Any) -> Entry:
    """One tensor's dtype, shape and offsets, checked against each other."""
    if not isinstance(entry, dict):
        raise _wrong(f"the entry of '{clip(name)}' is a JSON {_json_type(entry)}", "an object")
    dtype = entry.get("dtype")
    if not isinstance(dtype, str):
        raise _wrong(f"the dtype of '{clip(name)}' is a JSON {_json_type(dtype)}", "text")
    if dtype not in DTYPE_BITS:
        found = f"'{clip(name)}' has the unknown dtype '{clip(dtype)}'"
        raise Fault("unknown-dtype", found, "a dtype of the safetensors format")
    shape = _numbers(name, "shape", entry.get("shape"))
    offsets = _numbers(name, "data_offsets", entry.get("data_offsets"))
    if len(offsets) != 2 or offsets[0] > offsets[1]:
        raise _wrong(f"the data_offsets of '{clip(name)}' are no range", "[start, stop]")
    _check_size(name, dtype, shape, offsets[1] - offsets[0])
    return dtype, shape, offsets[0], offsets[1]


def _numbers(name: str, field: str, value: Any) -> tuple[int, ...]:
    """Whole numbers from 0 to 2**63-1; `True` is an int for Python and is none here."""
    if not isinstance(value, list):
        raise _wrong(f"the {field} of '{clip(name)}' is a JSON {_json_type(value)}", "a list")
    for number in value:
        if type(number) is not int or not 0 <= number <= _LARGEST:
            found = f"the {field} of '{clip(name)}' holds {_shown(number)}"
            raise _wrong(found, "whole numbers from 0")
    return tuple(value)


def _check_size(name: str, dtype: str, shape: tuple[int, ...], size_bytes: int) -> None:
    bits = size_bytes * 8
    if _count(shape) * DTYPE_BITS[dtype] != bits:
        found = f"'{clip(name)}' ({dtype} {clip(str(list(shape)))}) has {size_bytes:,} bytes"
        raise Fault("size-mismatch", found, "as many as its shape and dtype say")


def _count(shape: tuple[int, ...]) -> int:
    """Number of elements; stops above 64 bits, as the library does: hostile shapes cost little."""
    count = 1
    for length in shape:
        count *= length
        if count > _MOST_ELEMENTS:
            return count
    return count


def _check_text(text: str, what: str) -> None:
    if not _is_text(text):
        raise _broken_text(what)


def _is_text(text: str) -> bool:
    """JSON escapes can spell half of a surrogate pair, which no file or terminal can print."""
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _broken_text(what: str) -> Fault:
    return _wrong(f"{what} holds a broken character", "Unicode text")


def _wrong(found: str, expected: str) -> Fault:
    return Fault("wrong-json", found, expected)


def _shown(value: Any) -> str:
    if isinstance(value, (bool, int)):
        return json.dumps(value)
    return repr(value) if isinstance(value, float) else f"a JSON {_json_type(value)}"


def _json_type(value: Any) -> str:
    names = {dict: "object", list: "list", str: "text", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")


def clip(text: str) -> str:
    """A name from a file, short and on one line, for a message."""
    line = "".join(char if char.isprintable() else "?" for char in text)
    return line if len(line) <= 80 else f"{line[:77]}..."
