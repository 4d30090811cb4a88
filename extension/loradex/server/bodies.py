"""Reads the JSON body of a request, bounded and strictly."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from loradex.errors import InputError

if TYPE_CHECKING:
    from starlette.requests import Request

MOST_BYTES = 4 << 20
"""Room for a request that names 20,000 files."""


async def json_body(request: Request, fields: Collection[str]) -> Mapping[str, Any]:
    """The object in a request's body; a name that is not in `fields` is refused, not ignored.

    No body is an empty object.

    Raises:
        InputError: the body is too large, no JSON object, or has other names.
    """
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            raise InputError("The body", "it is too large", f"at most {MOST_BYTES} bytes",
                             code="too-large")
    try:
        content = json.loads(body or b"{}")
    except ValueError as error:
        raise InputError("The body", "it is no JSON", "a JSON object") from error
    if not isinstance(content, dict):
        raise InputError("The body", f"it is a {type(content).__name__}", "a JSON object")
    for name in content:
        if name not in fields:
            raise InputError(name, "there is no such field", ", ".join(fields))
    return content
