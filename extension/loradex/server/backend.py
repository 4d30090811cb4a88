"""What all routes of one router share: the host, what is told to listeners, and the token."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from loradex.server.live import Live
from loradex.server.problems import RequestRefusedError
from loradex.server.service import Service
from loradex.server.thumbnails import Thumbnails

if TYPE_CHECKING:
    from starlette.requests import Request

TOKEN_HEADER = "X-Loradex-Token"  # noqa: S105
_UPLOADS_AT_ONCE = 2


class Backend:
    """One for each router."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.live = Live(service)
        self.token = secrets.token_urlsafe(24)
        """Only a page that may read the status can send it; a new one at each start."""
        self.uploads = asyncio.Semaphore(_UPLOADS_AT_ONCE)
        self.thumbnails = Thumbnails()

    def admit_change(self, headers: Mapping[str, str]) -> None:
        """Lets a request pass that changes files or notes; `headers` by lower-case name.

        Raises:
            RequestRefusedError: the host allows no changes, or the token is missing.
        """
        locked = self.service.locked()
        if locked:
            raise RequestRefusedError("Changes", locked, "a host that allows them", code="locked")
        sent = headers.get(TOKEN_HEADER.lower(), "")
        if not secrets.compare_digest(sent.encode(), self.token.encode()):
            raise RequestRefusedError(
                "Change", f"it has no valid header {TOKEN_HEADER}", "the token of GET /status",
                "Load the page again: the server may have been started anew.", "token",
            )


class RawRoute(NamedTuple):
    """A route below the prefix that answers something else than JSON, or takes something else."""

    method: str
    path: str
    answer: Callable[[Backend, Request], Awaitable[Any]]
    params: tuple[str, ...] = ()
    changes: bool = False
    """Whether it changes files or notes, which needs the token and a host that allows it."""
