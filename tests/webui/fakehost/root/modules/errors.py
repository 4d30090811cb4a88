"""Failures of extensions: told on stderr, never raised."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager


def report(message: str, *, exc_info: bool = False) -> None:
    for line in message.splitlines():
        print("***", line, file=sys.stderr)
    if exc_info:
        print(traceback.format_exc(), file=sys.stderr)


def display(e: Exception, task: str, *, full_traceback: bool = False) -> None:
    print(f"{task or 'error'}: {type(e).__name__}", file=sys.stderr)
    print("".join(traceback.format_exception(type(e), e, e.__traceback__)), file=sys.stderr)


@contextmanager
def reported(message: str) -> Iterator[None]:
    """Whatever is raised inside is told and forgotten."""
    try:
        yield
    except Exception:  # noqa: BLE001 - the WebUI survives any failure of an extension
        report(message, exc_info=True)


@contextmanager
def displayed(task: str) -> Iterator[None]:
    """The same in the other of the WebUI's two styles."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - as above
        display(error, task)
