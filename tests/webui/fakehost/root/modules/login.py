"""Asks for a login as Gradio does: a cookie, and a check of it that guards no route of others."""

# No `from __future__ import annotations`: FastAPI looks `Request` up among the module's names.

from typing import Any

from fastapi import Depends, HTTPException, Request


def ask(app: Any, pair: str) -> None:
    """`pair` is that of `--gradio-auth`; whoever has the cookie is taken for the user."""
    user, _, password = pair.partition(":")
    app.auth = {user: password}

    def current(request: Request) -> Any:
        return request.cookies.get("access-token")

    @app.get("/login_check/")
    def login_check(found: Any = Depends(current)) -> None:  # noqa: B008
        if found is None:
            raise HTTPException(status_code=401, detail="Not authenticated")
