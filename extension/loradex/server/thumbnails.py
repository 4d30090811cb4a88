"""Small WebP pictures of previews: made once each, few at a time, and kept in a bounded folder."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import struct
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loradex.errors import FileError
from loradex.files.media import SUFFIX_OF, media_type
from loradex.server.thumbnail_folder import ThumbnailFolder

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 64_000_000
"""256 MB when decoded. Hosts switch Pillow's own limit off, so it is checked here as well."""
_AT_ONCE = max(1, min(2, (os.cpu_count() or 1) // 2))
"""Half of the cores stay with the browser, which often runs beside the server."""
_MOST_IN_MEMORY = 16 << 20
_TALLEST = 2
"""A thumbnail is at most that many times as tall as wide."""
_ORIENTATION = 0x0112
_SIDEWAYS = 5
"""From this EXIF orientation on, width and height change places."""
_BROKEN = (OSError, ValueError, SyntaxError, EOFError, TypeError, LookupError, ArithmeticError,
           MemoryError, struct.error)
"""All that Pillow's decoders raise for damaged files."""


class Thumbnails:
    """One for each router. Pictures are asked for by a name that differs whenever they do."""

    def __init__(self) -> None:
        self._busy = asyncio.Semaphore(_AT_ONCE)
        self._making: dict[str, asyncio.Task[bytes]] = {}
        self._memory: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._folders: dict[Path, ThumbnailFolder] = {}

    async def find(
        self, name: str, folder: Path | None, read: Callable[[], bytes], width: int
    ) -> bytes:
        """The thumbnail of that name; who asks for one that is being made waits for it.

        Raises:
            FileError: the picture is damaged, too large, or none.
        """
        if name in self._memory:
            self._memory.move_to_end(name)
            return self._memory[name]
        task = self._making.get(name)
        if task is None:
            kept = None if folder is None else self._folders.setdefault(
                folder, ThumbnailFolder(folder))
            task = asyncio.ensure_future(self._make(name, kept, read, width))
            self._making[name] = task
            task.add_done_callback(lambda done: self._made(name, done))
        return await asyncio.shield(task)  # one who leaves takes nothing from the others

    async def _make(
        self, name: str, kept: ThumbnailFolder | None, read: Callable[[], bytes], width: int
    ) -> bytes:
        from starlette.concurrency import run_in_threadpool

        async with self._busy:
            return await run_in_threadpool(_found_or_made, name, kept, read, width)

    def _made(self, name: str, done: asyncio.Task[bytes]) -> None:
        self._making.pop(name, None)
        if done.cancelled() or done.exception() is not None:
            return
        self._memory[name] = done.result()
        self._bytes += len(done.result())
        while self._bytes > _MOST_IN_MEMORY:
            self._bytes -= len(self._memory.popitem(last=False)[1])


def can_make(kind: str) -> bool:
    """Whether Pillow is there, reads that media type (AVIF: from 11.3 on) and writes WebP."""
    try:
        from PIL import Image, features
    except ImportError:
        return False
    return SUFFIX_OF[kind] in Image.registered_extensions() and bool(features.check("webp"))


def make_thumbnail(picture: bytes, width: int) -> bytes:
    """A WebP of at most that width, upright, of the first frame; never larger than the picture.

    Raises:
        FileError: the picture is damaged or too large.
    """
    # Chosen by measurement: reading JPEG at a fraction (`draft`) and shrinking in two steps.
    with opened(picture) as image:
        try:
            sideways = image.getexif().get(_ORIENTATION, 1) >= _SIDEWAYS
            box = (width, width * _TALLEST)
            small = _in_colour(image, box[::-1] if sideways else box)
            body = io.BytesIO()
            _upright(small).save(body, "WEBP", quality=78, method=4)
        except _BROKEN as error:
            raise _damaged(error) from error
    return body.getvalue()


def opened(picture: bytes) -> Image:
    """A picture whose size is bearable; its pixels are not read yet.

    Raises:
        FileError: it is damaged, or has too many pixels.
    """
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(picture))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(str(error)) from error
    except _BROKEN as error:
        raise _damaged(error) from error
    if image.width * image.height > MOST_PIXELS:
        image.close()
        raise _too_large(f"{image.width} x {image.height} pixels")
    return image


def check_picture(picture: bytes) -> None:
    """Reads all of a picture once, where Pillow can. Raises FileError where it is damaged."""
    if not can_make(media_type(picture)):
        return
    with opened(picture) as image:
        try:
            image.load()
        except _BROKEN as error:
            raise _damaged(error) from error


def _found_or_made(
    name: str, kept: ThumbnailFolder | None, read: Callable[[], bytes], width: int
) -> bytes:
    found = None if kept is None else kept.find(name)
    if found is not None and media_type(found) == "image/webp":
        return found
    made = make_thumbnail(read(), width)
    if kept is not None:
        with contextlib.suppress(OSError):  # a full drive: it is made again another time
            kept.keep(name, made)
    return made


def _in_colour(image: Image, box: tuple[int, int]) -> Any:
    if image.mode not in ("RGB", "RGBA"):
        image.draft("RGB", box)
        clear = "A" in image.mode or "transparency" in image.info
        small = image.convert("RGBA" if clear else "RGB")
        small.info = dict(image.info)
    else:
        small = image
    small.thumbnail(box, reducing_gap=2.0)
    return small


def _upright(image: Image) -> Any:
    from PIL import ImageOps

    return ImageOps.exif_transpose(image)


def _damaged(error: BaseException) -> FileError:
    return FileError("The picture", str(error) or type(error).__name__, "a whole picture",
                     "Choose another one.", "damaged-picture")


def _too_large(found: str) -> FileError:
    return FileError("The picture", found, f"at most {MOST_PIXELS:,} pixels",
                     "Save it smaller.", "too-many-pixels")
