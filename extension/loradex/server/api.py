"""The JSON API as a FastAPI router: every route of `answers` behind a guard and a login."""

# No `from __future__ import annotations` here: FastAPI looks annotations up among the module's
# names, and `Request` is imported only where a router is made.

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from loradex.server.access import Access
from loradex.server.answers import ROUTES, Route
from loradex.server.asked import Asked
from loradex.server.guard import Guard
from loradex.server.routing import json_response, protected_router
from loradex.server.service import Service

if TYPE_CHECKING:
    from fastapi import APIRouter


def make_router(
    service: Service, guard: Guard | None = None, access: Access | None = None
) -> "APIRouter":
    """The API of a host; `attach` puts it into a running app."""
    router = protected_router(guard or Guard(), access or Access())
    for route in ROUTES:
        router.add_api_route(
            route.path, _endpoint(service, route), methods=[route.method],
            response_model=None, include_in_schema=False,
        )
    return router


def _endpoint(service: Service, route: Route) -> Callable[..., Any]:
    from fastapi import Request, Response

    def answer(request: Request) -> Response:  # no coroutine: FastAPI runs it on a thread
        params: dict[str, list[str]] = {}
        for name, value in request.query_params.multi_items():
            params.setdefault(name, []).append(value)
        asked = Asked(params, request.path_params.get("id", ""))
        asked.only(route.params)
        content = route.answer(service, asked)
        known = request.headers.get("if-none-match", "")
        return json_response(content, tagged=route.tagged, known=known)

    return answer
