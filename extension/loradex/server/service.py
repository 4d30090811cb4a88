"""What the JSON API needs of whoever runs it: a catalog, and what is loaded and applied now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from loradex.catalog.catalog import Catalog
from loradex.compat.checkpoint_facts import CheckpointFacts
from loradex.server.problems import RequestRefusedError


class Service(Protocol):
    """A host as the API sees it. Every method may be called from any thread.

    Two more are asked where a host has them: `stopping() -> bool`, whether its server is about to
    end, which waits for open streams, and `may_write() -> str`, why files must not be changed over
    the network, or ''.
    """

    def catalog(self) -> Catalog: ...

    def checkpoint(self) -> CheckpointFacts | None:
        """The checkpoint that is loaded, or None."""

    def applied(self) -> Mapping[str, Any]:
        """The last generation's report as plain data; empty before the first one."""

    def engine(self) -> Mapping[str, Any]:
        """`on` (bool), `reason` (a sentence) and `host` (its name)."""


def is_stopping(service: Service) -> bool:
    asked: Callable[[], bool] | None = getattr(service, "stopping", None)
    return asked is not None and asked()


def why_read_only(service: Service) -> str:
    """Why the host lets nobody change files, or ''."""
    asked: Callable[[], str] | None = getattr(service, "may_write", None)
    return "" if asked is None else asked()


def check_may_write(service: Service) -> None:
    """Raises RequestRefusedError where the host lets nobody change files."""
    reason = why_read_only(service)
    if reason:
        raise RequestRefusedError("Changing files", reason, "", "Viewing works as ever.")
