"""Describes the API's routes in OpenAPI, as plain data: no pydantic model, so 1 and 2 both do."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from loradex.server.backend import TOKEN_HEADER, RawRoute
from loradex.server.described import ANSWERS, CREATED, FIELDS, MEDIA, PARAMS, PATH_PARAMS, Param
from loradex.server.guard import WRITE_HEADER

if TYPE_CHECKING:
    from loradex.server.answers import Route

TAG = "Loradex"
_OBJECT: Mapping[str, Any] = {"type": "object"}
_TEXT: Mapping[str, Any] = {"type": "string"}
_WHOLE: Mapping[str, Any] = {"type": "integer"}
_TYPES: Mapping[str, Mapping[str, Any]] = {
    "text": _TEXT, "int": _WHOLE, "number": {"type": "number"}, "bool": {"type": "boolean"},
    "object": _OBJECT, "flag": {"type": "string", "enum": ["0", "1"]},
    "list": {"type": "array", "items": {}}, "texts": {"type": "array", "items": _TEXT},
    "ints": {"type": "array", "items": _WHOLE}, "objects": {"type": "array", "items": _OBJECT},
}
_PROBLEM = ("What is wrong, in words", "application/json", {
    "type": "object",
    "properties": dict.fromkeys(
        ("code", "subject", "found", "expected", "next_step", "message"), _TEXT),
})


def route_words(route: Route | RawRoute) -> dict[str, Any]:
    """What `add_api_route` takes to describe a route."""
    called = name_of(route)
    summary, _, more = (inspect.getdoc(route.answer) or "").partition("\n\n")
    status = 201 if called in CREATED else 200
    extra: dict[str, Any] = {"parameters": _parameters(called, route)}
    body = _body(route)
    if body:
        extra["requestBody"] = body
    return {
        "name": route.answer.__name__, "tags": [TAG], "status_code": status,
        "summary": " ".join(summary.split()).rstrip("."), "description": more,
        "responses": {status: _answer(called), "default": _content(*_PROBLEM)},
        "openapi_extra": extra,
    }


def name_of(route: Route | RawRoute) -> str:
    """`GET /networks/{id}`: as docs/api.md has it."""
    return f"{route.method} {route.path.replace(':path', '')}"


def _parameters(called: str, route: Route | RawRoute) -> list[dict[str, Any]]:
    found = [_parameter("path", one, PATH_PARAMS[one]) for one in re.findall(r"{(\w+)}", called)]
    found += [
        _parameter("query", one, PARAMS.get(f"{called} {one}") or PARAMS[one])
        for one in route.params
    ]
    if route.method != "GET":
        found.append(_parameter("header", WRITE_HEADER, Param("text", "`1`")))
    if route.changes:
        token = Param("text", "the `token` of the status")
        found.append(_parameter("header", TOKEN_HEADER, token))
    return found


def _parameter(place: str, name: str, param: Param) -> dict[str, Any]:
    return {"in": place, "name": name, "required": place != "query",
            "description": param.text, "schema": dict(_TYPES[param.type])}


def _body(route: Route | RawRoute) -> dict[str, Any]:
    """The JSON that a route takes, or the bytes of a file."""
    fields = getattr(route, "fields", ())
    if fields:
        members = _members(FIELDS)
        schema = {"type": "object", "properties": {name: members[name] for name in fields}}
        return {"required": True, "content": {"application/json": {"schema": schema}}}
    if route.method == "PUT":
        file = {"type": "string", "format": "binary"}
        return {"required": True, "content": {"application/octet-stream": {"schema": file}}}
    return {}


def _answer(called: str) -> dict[str, Any]:
    if called in MEDIA:
        media = MEDIA[called]
        text = media.startswith("text/")
        return _content("Done", media, _TEXT if text else {"type": "string", "format": "binary"})
    members = _members(ANSWERS[called])
    return _content("Done", "application/json", {"type": "object", "properties": members})


def _content(text: str, media: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {media: {"schema": dict(schema)}}}


def _members(line: str) -> dict[str, dict[str, Any]]:
    """The schemas of a line of `described`."""
    found: dict[str, dict[str, Any]] = {}
    for one in line.split():
        name, _, kind = one.partition(":")
        found[name] = dict(_TYPES[kind.rstrip("?")])
        if kind.endswith("?"):
            found[name]["nullable"] = True
    return found
