"""FastAPI routers that are guarded as a whole, and how they get into an app that runs already.

Works on FastAPI 0.94 with pydantic 1, which AUTOMATIC1111 pins, and on today's; FastAPI is
imported when a router is made.
"""

# No `from __future__ import annotations` here: FastAPI looks annotations up among the module's
# names, and `Request` is imported only where a router is made.

import hashlib
import inspect
import json
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from loradex.errors import LoradexError
from loradex.server.access import Access, Login
from loradex.server.guard import Guard
from loradex.server.problems import LOGIN_NEEDED, RequestRefusedError, headers_of, status_of

if TYPE_CHECKING:
    from fastapi import APIRouter, FastAPI, Request, Response
    from fastapi.routing import APIRoute

PREFIX = "/loradex"
API = "/v1"
"""Where the JSON API lies below the prefix."""
_NOT_MODIFIED = 304
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_MOST_LETTERS = 200
log = logging.getLogger(__name__)


def protected_router(guard: Guard, access: Access, prefix: str = PREFIX) -> "APIRouter":
    """A router whose routes all ask the guard first, then for the host's login.

    Both are asked before a body is read. Middleware would do too, but a running app takes none.
    """
    from fastapi import APIRouter, Depends, Request

    async def guarded(request: Request) -> None:
        guard.check(request.method, request.headers)

    async def admitted(
        request: Request, signed_in: bool = Depends(_signed_in(access.login))
    ) -> None:
        access.check(signed_in, request.headers.get("authorization", ""))

    return APIRouter(
        prefix=prefix, dependencies=[Depends(guarded), Depends(admitted)],
        route_class=_route_class(),
    )


def attach(app: "FastAPI", router: "APIRouter") -> None:
    """Puts a router's routes first, instead of those that an earlier one of its prefix left.

    First, because newer Gradio versions mount an app at `/` that answers everything. The app's
    list is changed in one step, so requests meanwhile find the old routes or the new ones.
    """
    others = [
        route for route in app.router.routes
        if not getattr(route, "path", "").startswith(f"{router.prefix}/")
    ]
    app.router.routes[:] = [*router.routes, *others]
    app.openapi_schema = None  # it is made once, and may have been before these routes were there


def json_response(
    content: Mapping[str, Any], status: int = 200, *, tagged: bool = False, known: str = "",
    headers: Mapping[str, str] | None = None,
) -> "Response":
    """Plain data as JSON; a tagged answer that the client already has is not sent again."""
    from fastapi import Response

    # Escaped, since paths may hold halves of surrogate pairs, which UTF-8 has no bytes for.
    body = json.dumps(content, separators=(",", ":")).encode()
    sent = {**_HEADERS, **(headers or {})}
    if tagged:
        tag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
        sent.update({"ETag": tag, "Cache-Control": "private, no-cache"})
        if tag in (each.strip() for each in known.split(",")):
            return Response(status_code=_NOT_MODIFIED, headers=sent)
    return Response(body, status, sent, media_type="application/json")


def _log_refusal(request: "Request", error: LoradexError) -> None:
    """One line for whoever runs the host; neither the query nor a body is ever in it.

    Other errors may quote what was sent, so of those only the code is told.
    """
    why = f"{error.subject}: {error.found}" if isinstance(error, RequestRefusedError) else ""
    log.warning(
        "Refused %s %s with %d %s %s", request.method, _one_line(request.url.path),
        status_of(error), error.code, _one_line(why))


def _one_line(text: str) -> str:
    """What a stranger sent, so that it can neither forge a line nor steer a terminal."""
    return text[:_MOST_LETTERS].encode("unicode_escape").decode("ascii")


def _route_class() -> "type[APIRoute]":
    from fastapi.routing import APIRoute

    class ProblemRoute(APIRoute):
        """Answers errors of ours in our words; a host's handlers each have a form of their own."""

        def get_route_handler(self) -> "Callable[[Request], Coroutine[Any, Any, Response]]":
            handler = super().get_route_handler()

            async def answered(request: "Request") -> "Response":
                try:
                    return await handler(request)
                except LoradexError as error:
                    _log_refusal(request, error)
                    return json_response(
                        error.as_dict(), status_of(error), headers=headers_of(error))

            return answered

    return ProblemRoute


def _signed_in(login: Login | None) -> Callable[..., Any]:
    """A dependency that tells whether the host's login check passes, with what that depends on."""
    from fastapi import HTTPException

    async def checked(**given: Any) -> bool:
        if login is None:
            return False
        try:
            found = login(**given)
            if inspect.isawaitable(found):
                await found
        except HTTPException as error:
            if error.status_code != LOGIN_NEEDED:
                raise
            return False
        return True

    # FastAPI resolves the parameters that a signature shows: those of the host's own check.
    shown = inspect.Signature() if login is None else inspect.signature(login, eval_str=True)
    checked.__signature__ = shown  # type: ignore[attr-defined]
    return checked
