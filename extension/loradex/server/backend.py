"""What all routes of one router share: the host, and what is told to those who listen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from loradex.server.live import Live
from loradex.server.service import Service

if TYPE_CHECKING:
    from starlette.requests import Request


class Backend:
    """One for each router."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.live = Live(service)


class RawRoute(NamedTuple):
    """A route below the prefix that answers something else than JSON, or takes something else."""

    method: str
    path: str
    answer: Callable[[Backend, Request], Awaitable[Any]]
    params: tuple[str, ...] = ()
