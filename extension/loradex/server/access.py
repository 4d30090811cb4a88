"""Asks for the login that the host itself asks for: Gradio's cookie or `--api-auth`'s password.

No host protects the routes that an extension adds: with a login set, anybody could still read
them. So the host's own means are asked here again, and nothing is kept of ours.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from loradex.errors import LoradexError
from loradex.server.problems import RequestRefusedError

Login = Callable[..., Any]
_CHECK = "/login_check"
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="loradex"'}


@dataclass(frozen=True)
class Access:
    """How a user may prove who they are; with neither, nobody is asked.

    `login` is Gradio's own check as `login_of` finds it, a FastAPI dependency that raises where
    nobody is logged in. `basic` are pairs of user and password. One of the two is enough.
    """

    login: Login | None = None
    basic: Collection[tuple[str, str]] = ()

    def check(self, signed_in: bool, authorization: str) -> None:
        """Lets a request pass that has a login or a password, or asks for one.

        Raises:
            RequestRefusedError: neither is there.
        """
        if signed_in or self._has_password(authorization) or not (self.login or self.basic):
            return
        raise RequestRefusedError(
            "Login", "nobody is logged in", "a user of this server",
            "Log in on the page" + (", or send user and password." if self.basic else "."),
            code="login", headers=_CHALLENGE if self.basic else {},
        )

    def _has_password(self, authorization: str) -> bool:
        scheme, _, sent = authorization.strip().partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            given = base64.b64decode(sent.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        # All pairs are compared, each in constant time: how long it takes tells nothing.
        alike = [
            secrets.compare_digest(given, f"{user}:{password}".encode())
            for user, password in self.basic
        ]
        return any(alike)


def login_of(app: Any) -> Login | None:
    """Gradio's own login check if the app, or one mounted in it, asks for a login.

    Raises:
        LoradexError: a login is asked for, but there is no check to reuse; our routes would
            be open then and must not be attached.
    """
    apps = list(_apps(app))
    if not any(_asks(one) for one in apps):
        return None
    checks = [check for one in apps if _asks(one) for check in _checks(one.routes)]
    if not checks:
        raise LoradexError(
            "Login", "the host asks for one, but its check was not found", "Gradio's /login_check",
            "The API stays off. Please report the version of the host.", "no-login-check",
        )
    found: Login = checks[0]
    return found


def _asks(app: Any) -> bool:
    return any(getattr(app, name, None) is not None for name in ("auth", "auth_dependency"))


def _apps(app: Any) -> Iterator[Any]:
    """The app and all that are mounted in it."""
    yield app
    for route in _flat(getattr(app, "routes", ())):
        mounted = getattr(route, "app", None)
        if hasattr(mounted, "routes"):
            yield from _apps(mounted)


def _flat(routes: Any) -> Iterator[Any]:
    """Routes, also those of included routers, which newer FastAPI versions keep nested."""
    for route in routes:
        nested = getattr(route, "original_router", None)
        if nested is None:
            yield route
        else:
            yield from _flat(nested.routes)


def _checks(routes: Any) -> Iterator[Login]:
    for route in _flat(routes):
        if getattr(route, "path", "").rstrip("/").endswith(_CHECK) and hasattr(route, "endpoint"):
            yield route.endpoint
