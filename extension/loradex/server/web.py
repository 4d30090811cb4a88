"""Serves the page: its modules under an address that changes with them, so browsers keep them.

A host's own file routes will not do: on Windows the registry can make `.js` text/plain, which
browsers refuse for modules, and AUTOMATIC1111 would compress every answer anew.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from loradex.errors import InputError
from loradex.server.backend import Backend, RawRoute

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

FOLDER = Path(__file__).resolve().parents[1] / "web"
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
          ".json": "application/json", ".svg": "image/svg+xml"}
_LOADER = "loader.js"
_PAGE = "page.html"
_COMMENTS = re.compile(
    rb"^[ \t]*(?://[^\n]*|/\*\*(?:(?!\*/).)*\*/[ \t]*)$", re.MULTILINE | re.DOTALL)
_FOREVER = "private, max-age=31536000, immutable"
_ASK_AGAIN = "private, no-cache"
_NOT_MODIFIED = 304


class Sent(NamedTuple):
    """One answer, compressed already."""

    body: bytes
    media_type: str
    tag: str


class WebFiles:
    """The page's files, read when the first is asked for; a new start of the UI reads them anew."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder

    @cached_property
    def files(self) -> Mapping[str, Sent]:
        """Path below the folder -> file; nothing else can be asked for."""
        found = {
            path.relative_to(self._folder).as_posix(): path
            for path in sorted(self._folder.rglob("*"))
            if path.suffix in _TYPES and path.name not in (_LOADER, "jsconfig.json")
        }
        return {name: _sent(_read(path), _TYPES[path.suffix]) for name, path in found.items()}

    @cached_property
    def digest(self) -> str:
        """Another one whenever a file is."""
        told = "\n".join(f"{name} {one.tag}" for name, one in self.files.items())
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    @cached_property
    def loader(self) -> Sent:
        """What a host's page imports: it knows the digest and all modules."""
        modules = [name for name in self.files if name.endswith(".js")]
        styles = [name for name in self.files if name.endswith(".css")]
        source = (self._folder / _LOADER).read_text(encoding="utf-8")
        known = {"DIGEST": self.digest, "MODULES": modules, "STYLES": styles}
        for name, value in known.items():
            source = source.replace(f'"{name}"', json.dumps(value))
        return _sent(source.encode(), _TYPES[".js"])

    @cached_property
    def page(self) -> Sent:
        """The page on its own, for a window beside the host's or instead of its tab."""
        return _sent((self._folder / _PAGE).read_bytes(), "text/html; charset=utf-8")

    def find(self, digest: str, name: str) -> Sent:
        """One file of this version.

        Raises:
            InputError: the address is another version's, or there is no such file.
        """
        if digest != self.digest:
            raise InputError("The page", "it is of another version of Loradex", "this one",
                             "Load the page again.", "not-found")
        if name not in self.files:
            raise InputError(name, "the page has no such file", code="not-found")
        return self.files[name]


def web_routes(files: WebFiles) -> tuple[RawRoute, ...]:
    """The routes below `/loradex`."""

    async def module(_: Backend, request: Request) -> Response:
        asked = request.path_params
        return _answer(await _threaded(lambda: files.find(asked["digest"], asked["name"])),
                       request, _FOREVER)

    async def loader(_: Backend, request: Request) -> Response:
        return _answer(await _threaded(lambda: files.loader), request, _ASK_AGAIN)

    async def page(_: Backend, request: Request) -> Response:
        return _answer(await _threaded(lambda: files.page), request, _ASK_AGAIN)

    return (
        RawRoute("GET", "/web/loradex.js", loader, ("attempt",)),
        RawRoute("GET", "/web/{digest}/{name:path}", module),
        RawRoute("GET", "/page", page),
    )


async def _threaded(work: Callable[[], Sent]) -> Sent:
    from starlette.concurrency import run_in_threadpool

    return await run_in_threadpool(work)


def _read(path: Path) -> bytes:
    """A file as it is sent: modules without their comments, which are a third of their bytes.

    Only comments on lines of their own go, and their lines stay, so that an error names the line
    of the source.
    """
    raw = path.read_bytes()
    if path.suffix != ".js":
        return raw
    return _COMMENTS.sub(lambda found: b"\n" * found[0].count(b"\n"), raw)


def _sent(raw: bytes, media_type: str) -> Sent:
    # Without a time inside, so that equal files are equal answers.
    body = gzip.compress(raw, 9, mtime=0)
    return Sent(body, media_type, f'"{hashlib.sha256(raw).hexdigest()[:16]}"')


def _answer(sent: Sent, request: Request, kept: str) -> Response:
    from starlette.responses import Response

    headers = {"Cache-Control": kept, "ETag": sent.tag, "X-Content-Type-Options": "nosniff",
               "Content-Encoding": "gzip"}
    known = request.headers.get("if-none-match", "")
    if sent.tag in (each.strip().removeprefix("W/") for each in known.split(",")):
        return Response(status_code=_NOT_MODIFIED, headers=headers)
    return Response(sent.body, headers={**headers, "Content-Type": sent.media_type})
