"""Errors as JSON: the four parts of a Loradex error, its line for people, and an HTTP status."""

from __future__ import annotations

from collections.abc import Mapping

from loradex.errors import LoradexError

LOGIN_NEEDED = 401
_UNPROCESSABLE = 422

_STATUS = {
    "input": 400,
    "prompt": 400,
    "login": LOGIN_NEEDED,
    "refused": 403,
    "locked": 403,
    "token": 403,
    "not-found": 404,
    "ambiguous": 409,
    "exists": 409,
    "too-large": 413,
    "no-space": 507,
}


class RequestRefusedError(LoradexError):
    """A request that is not answered because of where it comes from or who asks."""

    code = "refused"

    def __init__(
        self, subject: str, found: str, expected: str = "", next_step: str = "", code: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(subject, found, expected, next_step, code)
        self.headers = dict(headers or {})


def status_of(error: LoradexError) -> int:
    """The HTTP status of an error; one of no other kind means that a file or value will not do."""
    return _STATUS.get(error.code, _UNPROCESSABLE)


def headers_of(error: LoradexError) -> Mapping[str, str]:
    return error.headers if isinstance(error, RequestRefusedError) else {}
