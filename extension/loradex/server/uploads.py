"""Takes a network that a page sends, piece by piece, and tells what it became."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from loradex.catalog.catalog import Catalog
from loradex.catalog.organising.install import Installation
from loradex.catalog.organising.places import Places
from loradex.catalog.records import Entry
from loradex.errors import InputError
from loradex.server.asked import Asked, asked_of
from loradex.server.backend import Backend, RawRoute
from loradex.server.routing import json_response

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

PIECE_BYTES = 4 << 20
"""Held in memory of one file at a time."""
_CREATED = 201
_PARAMS = ("root", "folder", "name")


async def upload(backend: Backend, request: Request) -> Response:
    """Puts the body into a folder of the library under a name, or says why not."""
    from starlette.concurrency import run_in_threadpool

    catalog, asked = backend.service.catalog(), asked_of(request)
    async with backend.uploads:
        one = await run_in_threadpool(_begin, catalog, asked, length_of(request))
        try:
            await take_in(one, request)
            entry, doubles = await run_in_threadpool(_end, catalog, one)
        finally:
            await run_in_threadpool(one.close)
    return json_response({
        "network": {"key": entry.key, "id": entry.file.id,
                    "root": catalog.roots.index(entry.file.root)},
        "duplicate_of": [double.file.id for double in doubles],
    }, _CREATED)


ROUTES = (RawRoute("PUT", "/uploads", upload, _PARAMS, changes=True),)


def length_of(request: Request) -> int:
    """The size that was announced: without it neither room nor header can be checked."""
    text = request.headers.get("content-length", "")
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InputError("Content-Length", f"'{text}'", "the size of the file in bytes")
    return int(text)


def _begin(catalog: Catalog, asked: Asked, size: int) -> Installation:
    root = catalog.roots[asked.number("root", 0, 0, len(catalog.roots) - 1)]
    return Installation(
        Places(catalog.roots), root, asked.text("folder"), asked.text("name"), size)


class Incoming(Protocol):
    """What is written to piece by piece."""

    name: str

    def write(self, piece: bytes) -> None: ...


async def take_in(one: Incoming, request: Request) -> None:
    """Writes the body, of which only a piece is ever in memory.

    Raises:
        InputError: the sender went away before all of it came.
    """
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import ClientDisconnect

    gathered = bytearray()
    try:
        async for piece in request.stream():
            gathered += piece
            if len(gathered) >= PIECE_BYTES:
                await run_in_threadpool(one.write, bytes(gathered))
                gathered.clear()
    except ClientDisconnect:
        raise InputError(one.name, "the sender went away", next_step="Send it again.") from None
    if gathered:
        await run_in_threadpool(one.write, bytes(gathered))


def _end(catalog: Catalog, one: Installation) -> tuple[Entry, Sequence[Entry]]:
    catalog.refresh([one.finish()])
    entry = catalog.store.find(one.place.root, Places(catalog.roots).id_of(one.place, one.name))
    if entry is None:
        raise InputError(one.name, "it was taken away again", next_step="Look into its folder.")
    return entry, _doubles(catalog, entry, one.sha256)


def _doubles(catalog: Catalog, entry: Entry, sha256: str) -> Sequence[Entry]:
    """Files with the same content; one that has no hash yet counts where its samples are alike."""
    same = catalog.store.gone_or_any_by_fingerprint([entry.facts.fingerprint])
    keys = [row.key for rows in same.values() for row in rows if row.key != entry.key]
    found = catalog.store.get_many(keys)
    return [one for one in found if one.presence == "present" and one.sha256 in ("", sha256)]
