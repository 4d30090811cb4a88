"""The faults of a header before they are told with the name of the file."""

from __future__ import annotations

AGAIN = "Download it again."


class Fault(Exception):  # noqa: N818 - never leaves the reader, which turns it into a HeaderError
    """One fault of a header: its code, what was found, what was expected, the next step."""

    def __init__(self, code: str, found: str, expected: str = "", next_step: str = "") -> None:
        super().__init__(code, found)
        self.code = code
        self.found = found
        self.expected = expected
        self.next_step = next_step
