"""Splits a safetensors header into its metadata and the rest, without reading the rest.

Writers put `__metadata__` first. Files of one trainer and rank differ in it alone, so what the
rest says has to be worked out once for all of them.
"""

from __future__ import annotations

import codecs
import json
from typing import NamedTuple

from loradex.files import entries

_OPENING = b'{"__metadata__":'
_DECODER = json.JSONDecoder(object_pairs_hook=entries.unique)
_FIRST_BYTES = 1 << 14


class Leading(NamedTuple):
    """The metadata of a header, and where in the header the rest begins and ends.

    The rest ends before the spaces with which writers fill up to a multiple of eight: how many
    there are depends on the metadata.
    """

    metadata: dict[str, str]
    start: int
    stop: int


def split_metadata(raw: memoryview) -> Leading | None:
    """The two halves of a header's JSON, or None where the metadata is not the first entry.

    Raises:
        Fault: the metadata is damaged.
    """
    if raw[: len(_OPENING)] != _OPENING:
        return None
    size = _FIRST_BYTES
    while True:
        found = _decode(bytes(raw[:size]))
        if found is not None:
            break
        if size >= len(raw):
            return None  # the strict reader finds the words for it
        size *= 4
    value, start = found
    stop = len(raw)
    while stop > start and raw[stop - 1] == 0x20:
        stop -= 1
    return Leading(entries.read_metadata(value), start, stop)


def _decode(part: bytes) -> tuple[object, int] | None:
    """The metadata and the number of bytes up to its end, or None where it is not all there."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(part)
        value, stop = _DECODER.raw_decode(text, len(_OPENING))
    except (ValueError, RecursionError):
        return None
    return value, stop if len(text) == len(part) else len(text[:stop].encode("utf-8"))
