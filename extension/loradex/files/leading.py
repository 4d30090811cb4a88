"""Splits a safetensors header into its metadata and the rest, without reading the rest.

Writers put `__metadata__` first. Files of one trainer and rank differ in it alone, so what the
rest says has to be worked out once for all of them: reading it costs 1 to 10 ms, hashing 0.1 ms.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from loradex.files import entries

_OPENING = b'{"__metadata__":'
_DECODER = json.JSONDecoder(object_pairs_hook=entries.unique)


class Leading(NamedTuple):
    """The metadata of a header and the bytes that follow it."""

    metadata: dict[str, str]
    rest: bytes


def split_metadata(raw: bytes) -> Leading | None:
    """The two halves of a header's JSON, or None where the metadata is not the first entry.

    Raises:
        Fault: the metadata is damaged.
    """
    if not raw.startswith(_OPENING):
        return None
    try:
        text = raw.decode("utf-8")
        value, stop = _DECODER.raw_decode(text, len(_OPENING))
    except (ValueError, RecursionError):
        return None  # the strict reader finds the words for it
    same_positions = len(text) == len(raw)  # nothing but ASCII
    rest = raw[stop:] if same_positions else text[stop:].encode("utf-8")
    return Leading(entries.read_metadata(value), rest)
