"""The page and the JSON API as a FastAPI router: every route behind a guard and a login."""

# No `from __future__ import annotations` here: FastAPI looks annotations up among the module's
# names, and `Request` is imported only where a router is made.

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from loradex.server import answers, changes, engine, keeping, previews, stream, uploads
from loradex.server.access import Access
from loradex.server.answers import Route
from loradex.server.asked import asked_of
from loradex.server.backend import Backend, RawRoute
from loradex.server.bodies import json_body
from loradex.server.guard import Guard
from loradex.server.openapi import route_words
from loradex.server.routing import API, json_response, protected_router
from loradex.server.service import Service
from loradex.server.web import WebFiles, web_routes

if TYPE_CHECKING:
    from fastapi import APIRouter

ROUTES: tuple[Route, ...] = (
    *answers.ROUTES, *changes.ROUTES, *keeping.ROUTES, *engine.ROUTES)
RAW_ROUTES: tuple[RawRoute, ...] = (*stream.ROUTES, *uploads.ROUTES, *previews.ROUTES)


def make_router(
    service: Service, guard: Guard | None = None, access: Access | None = None
) -> "APIRouter":
    """The page and the API of a host; `attach` puts them into a running app."""
    from fastapi import Response

    router = protected_router(guard or Guard(), access or Access())
    backend = Backend(service)
    for page in web_routes(WebFiles()):
        router.add_api_route(
            page.path, _raw_endpoint(backend, page), methods=[page.method], response_model=None,
            include_in_schema=False)
    endpoints: list[tuple[Route | RawRoute, Callable[..., Any]]] = [
        *((one, _raw_endpoint(backend, one)) for one in RAW_ROUTES),
        *((one, _endpoint(backend, one)) for one in ROUTES),
    ]
    for route, endpoint in endpoints:
        router.add_api_route(
            API + route.path, endpoint, methods=[route.method], response_model=None,
            response_class=Response, **route_words(route))
    return router


def _raw_endpoint(backend: Backend, route: RawRoute) -> Callable[..., Any]:
    from fastapi import Request

    async def answer(request: Request) -> Any:
        asked_of(request).only(route.params)
        if route.changes:
            backend.admit_change(request.headers)
        return await route.answer(backend, request)

    return answer


def _endpoint(backend: Backend, route: Route) -> Callable[..., Any]:
    from fastapi import Request, Response
    from starlette.concurrency import run_in_threadpool

    async def answer(request: Request) -> Response:
        asked = asked_of(request)
        asked.only(route.params)
        if route.changes:
            backend.admit_change(request.headers)
        if route.fields:
            asked = replace(asked, body=await json_body(request, route.fields))
        content = await run_in_threadpool(route.answer, backend, asked)
        known = request.headers.get("if-none-match", "")
        return json_response(content, tagged=route.tagged, known=known)

    return answer
