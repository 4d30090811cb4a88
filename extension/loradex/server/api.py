"""The JSON API as a FastAPI router: every route of the API behind a guard and a login."""

# No `from __future__ import annotations` here: FastAPI looks annotations up among the module's
# names, and `Request` is imported only where a router is made.

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from loradex.server import answers, stream
from loradex.server.access import Access
from loradex.server.answers import Route
from loradex.server.asked import Asked
from loradex.server.backend import Backend, RawRoute
from loradex.server.bodies import json_body
from loradex.server.guard import Guard
from loradex.server.routing import json_response, protected_router
from loradex.server.service import Service

if TYPE_CHECKING:
    from fastapi import APIRouter

ROUTES: tuple[Route, ...] = answers.ROUTES
RAW_ROUTES: tuple[RawRoute, ...] = stream.ROUTES


def make_router(
    service: Service, guard: Guard | None = None, access: Access | None = None
) -> "APIRouter":
    """The API of a host; `attach` puts it into a running app."""
    router = protected_router(guard or Guard(), access or Access())
    backend = Backend(service)
    for raw in RAW_ROUTES:
        router.add_api_route(
            raw.path, _raw_endpoint(backend, raw), methods=[raw.method],
            response_model=None, include_in_schema=False,
        )
    for route in ROUTES:
        router.add_api_route(
            route.path, _endpoint(backend, route), methods=[route.method],
            response_model=None, include_in_schema=False,
        )
    return router


def _raw_endpoint(backend: Backend, route: RawRoute) -> Callable[..., Any]:
    from fastapi import Request

    async def answer(request: Request) -> Any:
        _asked(request).only(route.params)
        if route.changes:
            backend.admit_change(request.headers)
        return await route.answer(backend, request)

    return answer


def _endpoint(backend: Backend, route: Route) -> Callable[..., Any]:
    from fastapi import Request, Response
    from starlette.concurrency import run_in_threadpool

    async def answer(request: Request) -> Response:
        asked = _asked(request)
        asked.only(route.params)
        if route.changes:
            backend.admit_change(request.headers)
        if route.fields:
            asked = replace(asked, body=await json_body(request, route.fields))
        content = await run_in_threadpool(route.answer, backend, asked)
        known = request.headers.get("if-none-match", "")
        return json_response(content, tagged=route.tagged, known=known)

    return answer


def _asked(request: Any) -> Asked:
    params: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        params.setdefault(name, []).append(value)
    return Asked(params, request.path_params.get("id", ""))
