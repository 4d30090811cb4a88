"""The index as one answer, and changes as server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from loradex.errors import LoradexError
from loradex.server.backend import Backend, RawRoute
from loradex.server.live import Event

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

TICK_S = 0.5
"""How often a stream asks whether the server is about to end, which waits for it."""
GATHER_S = 0.1
LOOK_EVERY_S = 1.0
KEEP_ALIVE_S = 15.0
_NOT_MODIFIED = 304
REVISION_HEADER = "X-Loradex-Revision"


async def index(backend: Backend, request: Request) -> Response:
    """The whole light index.

    It is gzipped here: AUTOMATIC1111's own compression would hold up its event loop for 0.2 s at
    each request, and other hosts compress nothing.
    """
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import Response

    revision = await run_in_threadpool(_settled, backend)
    packed = await run_in_threadpool(backend.live.index)
    headers = {
        "ETag": packed.tag, "Cache-Control": "private, no-cache", REVISION_HEADER: revision,
        "X-Content-Type-Options": "nosniff", "Content-Encoding": "gzip",
    }
    known = request.headers.get("if-none-match", "")
    # A proxy or a host that compresses may have made the tag a weak one.
    if packed.tag in (each.strip().removeprefix("W/") for each in known.split(",")):
        return Response(status_code=_NOT_MODIFIED, headers=headers)
    return Response(packed.body, headers=headers, media_type="application/json")


async def events(backend: Backend, request: Request) -> Response:
    """Changes from now on, or from the event on that the client saw last."""
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import StreamingResponse

    marker = request.headers.get("last-event-id") or request.query_params.get("since", "")
    now = await run_in_threadpool(_settled, backend)
    # AUTOMATIC1111's compression keeps every event back; what says it is encoded is left alone.
    headers = {
        "Content-Encoding": "identity", "Cache-Control": "no-store", "X-Accel-Buffering": "no",
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(
        _stream(backend, marker, now), headers=headers, media_type="text/event-stream")


ROUTES = (
    RawRoute("GET", "/index", index),
    RawRoute("GET", "/events", events, ("since",)),
)


def _settled(backend: Backend) -> str:
    """The marker behind everything that was told so far."""
    backend.live.flush()
    return backend.live.marker


async def _stream(backend: Backend, marker: str, now: str) -> AsyncIterator[bytes]:
    live, loop, awake = backend.live, asyncio.get_running_loop(), asyncio.Event()

    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: its server has ended
            loop.call_soon_threadsafe(awake.set)

    leave = live.join(wake)
    quiet_since = time.monotonic()
    try:
        # So that a page knows at once, and can come back from here; a marker of its own stays.
        place = b"" if marker else f"id: {now}\n".encode()
        yield b"retry: 2000\nevent: hello\n" + place + b"data: {}\n\n"
        marker = marker or now
        async for _ in _ticks(backend, awake):
            found = live.after(marker)
            if found is None:
                marker = live.marker
                yield _text("reset", marker, "{}")
                continue
            told, marker = found
            if told:
                yield b"".join(_line(one, marker) for one in told)
            elif time.monotonic() - quiet_since < KEEP_ALIVE_S:
                continue
            else:
                yield b": still here\n\n"
            quiet_since = time.monotonic()
    finally:
        leave()


async def _ticks(backend: Backend, awake: asyncio.Event) -> AsyncIterator[None]:
    """One at the beginning and whenever there may be something to tell, until the server ends."""
    from starlette.concurrency import run_in_threadpool

    looked = 0.0
    while not backend.service.stopping():
        yield
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(awake.wait(), TICK_S)
        try:
            if awake.is_set():
                await asyncio.sleep(GATHER_S)
                awake.clear()
            await run_in_threadpool(backend.live.flush)
            if time.monotonic() - looked >= LOOK_EVERY_S:
                await run_in_threadpool(backend.live.look)
                looked = time.monotonic()
        except LoradexError:
            return  # the host has taken its catalog away; the page comes back by itself


def _line(event: Event, marker: str) -> bytes:
    origin = marker.partition("-")[0]
    return _text(event.kind, f"{origin}-{event.number}", event.data)


def _text(kind: str, number: str, data: str) -> bytes:
    return f"id: {number}\nevent: {kind}\ndata: {data}\n\n".encode()
