"""What all routes of one router share: the host, the events, the pictures and the page's token."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from loradex.server.live import Live
from loradex.server.problems import RequestRefusedError
from loradex.server.service import Service

if TYPE_CHECKING:
    from starlette.requests import Request

TOKEN_HEADER = "X-Loradex-Token"  # noqa: S105 - the header's name


class Backend:
    """One for each router.

    The token proves that whoever deletes has read an answer of this server. The guard tells
    foreign pages by Host, Origin and a header; a proxy may rewrite the first two, and some hosts'
    CORS lets every page send the third. Reading an answer is what none of these gives away. So
    the token is in the status only for requests that carry the header themselves: a page of
    another site cannot send it without an Origin, which is refused before. It differs after each
    start and guards against old pages and scripts that repeat a delete, too.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.live = Live(service)
        self.token = secrets.token_urlsafe(24)

    def check_token(self, sent: str) -> None:
        """Raises RequestRefusedError for another token than this server's."""
        if not secrets.compare_digest(sent.encode(), self.token.encode()):
            raise RequestRefusedError(
                "Deleting", f"{TOKEN_HEADER} is missing or of an earlier start",
                "the token in the status", "Load the page again.",
            )


class RawRoute(NamedTuple):
    """A route below the prefix that answers something else than JSON, or takes something else."""

    method: str
    path: str
    answer: Callable[[Backend, Request], Awaitable[Any]]
    params: tuple[str, ...] = ()
