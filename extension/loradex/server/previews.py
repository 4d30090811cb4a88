"""Sends the pictures and films of entries, small or whole, and takes new ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loradex.catalog.catalog import Catalog
from loradex.catalog.organising.pictures import IncomingPicture
from loradex.catalog.organising.places import Places
from loradex.errors import InputError
from loradex.server.asked import asked_of
from loradex.server.backend import Backend, RawRoute
from loradex.server.columns import preview_stamp
from loradex.server.picture_source import PictureSource, find_source
from loradex.server.ranges import part_of
from loradex.server.routing import json_response
from loradex.server.thumbnails import can_make, check_picture
from loradex.server.uploads import length_of, take_in

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

WIDTHS = ("160", "320", "640")
_USUAL = "320"
_MOST_DIGITS = 18
_FOREVER = "private, max-age=31536000, immutable"
_ASK_AGAIN = "private, no-cache"
_WHOLE, _PART, _NOT_MODIFIED, _NO_SUCH_PART = 200, 206, 304, 416
_ALWAYS = {
    # A picture that a browser is sent to by its address must never run as a page.
    "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox",
    # A host's compression would find nothing to gain, and hold a film back.
    "Content-Encoding": "identity",
}


async def thumbnail(backend: Backend, request: Request) -> Response:
    """A small WebP; where Pillow is not installed, the picture itself."""
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import Response

    width = _width(request)
    catalog = backend.service.catalog()
    source = await run_in_threadpool(find_source, catalog, _key(request))
    if source.media_type.startswith("video/"):
        raise InputError("The preview", "it is a film, of which no thumbnail is made", "",
                         f"Show the film itself: {request.url.path}/file", "not-found")
    if not can_make(source.media_type):
        return _original(request, source)
    name = f"{source.version}-{width}"
    headers = _headers(request, source, name)
    if _is_known(request, headers["ETag"]):
        return Response(status_code=_NOT_MODIFIED, headers=headers)
    folder = None if catalog.home is None else catalog.home / "thumbnails"
    body = await backend.thumbnails.find(name, folder, source.whole, int(width))
    return Response(body, headers=headers, media_type="image/webp")


async def original(backend: Backend, request: Request) -> Response:
    """The picture or film as it is, or the part of it that is asked for."""
    from starlette.concurrency import run_in_threadpool

    catalog = backend.service.catalog()
    return _original(request, await run_in_threadpool(find_source, catalog, _key(request)))


async def put(backend: Backend, request: Request) -> Response:
    """Puts the body beside the model instead of what is shown; that goes into the bin."""
    from starlette.concurrency import run_in_threadpool

    catalog, key = backend.service.catalog(), _key(request)
    async with backend.uploads:
        came = IncomingPicture(_model(catalog, key), length_of(request))
        try:
            await take_in(came, request)
            done = await run_in_threadpool(_put, catalog, key, came)
        finally:
            await run_in_threadpool(came.close)
    return json_response(done)


async def remove(backend: Backend, request: Request) -> Response:
    """Puts the picture that is shown into the bin."""
    from starlette.concurrency import run_in_threadpool

    catalog, key = backend.service.catalog(), _key(request)
    _model(catalog, key)
    return json_response(await run_in_threadpool(_changed, catalog, key, None))


ROUTES = (
    RawRoute("GET", "/previews/{key}", thumbnail, ("v", "size")),
    RawRoute("GET", "/previews/{key}/file", original, ("v",)),
    RawRoute("PUT", "/previews/{key}", put, changes=True),
    RawRoute("DELETE", "/previews/{key}", remove, changes=True),
)


def _model(catalog: Catalog, key: int) -> Path:
    """Where the model of a key is. Raises InputError where it is not there, or not ours."""
    entry = catalog.store.get(key)
    if entry is None or entry.presence != "present":
        raise InputError(str(key), "there is no such entry", code="not-found")
    Places(catalog.roots).place(entry.file.path.parent)
    return entry.file.path


def _put(catalog: Catalog, key: int, came: IncomingPicture) -> Mapping[str, Any]:
    came.finish()
    if came.media_type.startswith("image/"):
        check_picture(came.path.read_bytes())
    return _changed(catalog, key, came)


def _changed(catalog: Catalog, key: int, came: IncomingPicture | None) -> Mapping[str, Any]:
    done = catalog.organiser.picture(key, came)
    if done.problems:
        raise InputError("Nothing was changed", " ".join(done.problems))
    rows = catalog.store.light((key,))
    return {"operation": done.id, "preview": preview_stamp(rows[0]) if rows else 0}


def _original(request: Request, source: PictureSource) -> Response:
    from starlette.responses import Response, StreamingResponse

    headers = _headers(request, source, source.version)
    headers.update({"Accept-Ranges": "bytes", "Content-Type": source.media_type})
    if _is_known(request, headers["ETag"]):
        return Response(status_code=_NOT_MODIFIED, headers=headers)
    part = part_of(_range(request, headers["ETag"]), source.size)
    if part is not None and not part.length:
        return Response(status_code=_NO_SUCH_PART,
                        headers={**headers, "Content-Range": f"bytes */{source.size}"})
    start, length = part or (0, source.size)
    headers["Content-Length"] = str(length)
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{source.size}"
    return StreamingResponse(
        source.pieces(start, length), _PART if part else _WHOLE, headers=headers)


def _range(request: Request, tag: str) -> str:
    """The Range header, unless it is of another version than this one."""
    wanted: str = request.headers.get("if-range", tag)
    return request.headers.get("range", "") if wanted.strip() == tag else ""


def _key(request: Request) -> int:
    text = request.path_params["key"]
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise InputError(text, "there is no such entry", code="not-found")
    return int(text)


def _width(request: Request) -> str:
    text = asked_of(request).text("size", _USUAL)
    if text not in WIDTHS:  # each further one would be made and kept for every picture
        raise InputError("size", f"'{text}'", f"one of {', '.join(WIDTHS)}", code="size")
    return text


def _headers(request: Request, source: PictureSource, tag: str) -> dict[str, str]:
    """Kept for ever only where the address names the version that is sent."""
    is_this = asked_of(request).text("v") == str(source.stamp)
    return {**_ALWAYS, "ETag": f'"{tag}"', "Cache-Control": _FOREVER if is_this else _ASK_AGAIN}


def _is_known(request: Request, tag: str) -> bool:
    known = request.headers.get("if-none-match", "")
    return tag in (each.strip().removeprefix("W/") for each in known.split(","))
