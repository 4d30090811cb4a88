"""Reads the Range header as RFC 9110 has it: one range of bytes; anything else asks for all."""

from __future__ import annotations

import re
from typing import NamedTuple

_ONE = re.compile(r"bytes\s*=\s*(\d{0,18})-(\d{0,18})\s*\Z", re.ASCII | re.IGNORECASE)


class Part(NamedTuple):
    """Bytes from `start` on."""

    start: int
    length: int


def part_of(header: str, size: int) -> Part | None:
    """The part that is asked for; None for all of it, a part of no bytes where there is no such.

    Several ranges may be answered with all of it (RFC 9110, 14.2), as may what is no range.
    """
    match = _ONE.match(header.strip())
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:  # the last so many bytes
        length = min(int(last), size)
        return Part(size - length, length)
    if last and int(last) < int(first):
        return None
    start = int(first)
    end = min(int(last) + 1, size) if last else size
    return Part(start, max(end - start, 0))
