"""The picture or film of one entry: where its bytes are, and what they are by themselves."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from loradex.catalog.catalog import Catalog
from loradex.catalog.records import Entry
from loradex.errors import InputError
from loradex.files.media import SNIFFED_BYTES, media_type
from loradex.files.metadata import METADATA, embedded_cover
from loradex.server.columns import preview_stamp

PIECE_BYTES = 1 << 20
MOST_PICTURE_BYTES = 64 << 20
"""A larger one is sent as it is and never decoded."""


@dataclass(frozen=True)
class PictureSource:
    """A picture as it was when it was found. No file stays open between two reads of it."""

    media_type: str
    size: int
    version: str
    """Another one whenever the bytes may be others."""
    stamp: int
    """What the index calls this version."""
    path: Path | None = None
    state: tuple[int, ...] = ()
    content: bytes = field(default=b"", repr=False)
    """Where there is no path: a cover out of a header."""

    def pieces(self, start: int, length: int) -> Iterator[bytes]:
        """A part of it, piece by piece; ends early where the file was replaced meanwhile."""
        if self.path is None:
            yield self.content[start : start + length]
            return
        end = start + length
        while start < end:
            piece = self._piece(self.path, start, min(PIECE_BYTES, end - start))
            if not piece:
                return
            start += len(piece)
            yield piece

    def whole(self) -> bytes:
        """All of it, bounded. Raises InputError where it is too large."""
        if self.size > MOST_PICTURE_BYTES:
            raise InputError("The picture", f"{self.size:,} bytes",
                             f"at most {MOST_PICTURE_BYTES:,}",
                             "Save it smaller.", "picture-too-large")
        return b"".join(self.pieces(0, self.size))

    def _piece(self, path: Path, start: int, length: int) -> bytes:
        # Opened anew: a user can rename or replace it on Windows while a page plays it.
        try:
            with path.open("rb") as file:
                if _state(os.fstat(file.fileno())) != self.state:
                    return b""
                file.seek(start)
                return file.read(length)
        except OSError:
            return b""


def find_source(catalog: Catalog, key: int) -> PictureSource:
    """The picture that the index shows for an entry.

    Raises:
        InputError: there is none, it is none by its bytes, or a link leads out of the library.
    """
    entry, rows = catalog.store.get(key), catalog.store.light((key,))
    if entry is None or not rows or not entry.summary.preview:
        raise _missing(str(key))
    stamp = preview_stamp(rows[0])
    if entry.summary.preview == METADATA:
        return _cover(catalog, entry, stamp)
    path = entry.file.path.with_name(entry.summary.preview)
    _refuse_outside(catalog, entry, path)
    return _beside(path, stamp)


def _cover(catalog: Catalog, entry: Entry, stamp: int) -> PictureSource:
    found = embedded_cover(catalog.metadata(entry))
    if found is None:
        raise _missing(entry.file.name)
    return PictureSource(found[0], len(found[1]), _version(found[1]), stamp, content=found[1])


def _beside(path: Path, stamp: int) -> PictureSource:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for ever
            raise _missing(path.name)
        with path.open("rb") as file:
            state, head = _state(os.fstat(file.fileno())), file.read(SNIFFED_BYTES)
    except OSError as error:
        raise _missing(path.name) from error
    kind = media_type(head)
    if not kind:
        raise InputError(path.name, "by its bytes it is no picture or film that is shown",
                         "PNG, JPEG, WebP, GIF, AVIF, MP4 or WebM", "Replace it.", "no-picture")
    version = _version(os.fsencode(path), *(str(each).encode() for each in state))
    return PictureSource(kind, state[0], version, stamp, path, state)


def _refuse_outside(catalog: Catalog, entry: Entry, path: Path) -> None:
    """A link may lead to anything on the disk; only what lies in the library is sent.

    A model's own folder may be linked into the library; then it is a part of it.
    """
    real = Path(os.path.realpath(path))
    inside = (entry.file.path.parent, *catalog.roots)
    if not any(Path(os.path.realpath(folder)) in real.parents for folder in inside):
        raise InputError(path.name, "a link leads out of the library's folders", "",
                         "Put the picture itself beside the model.", "refused")


def _state(found: os.stat_result) -> tuple[int, ...]:
    return found.st_size, found.st_mtime_ns, found.st_ino


def _version(*parts: bytes) -> str:
    return blake2b(b"\0".join(parts), digest_size=12).hexdigest()


def _missing(subject: str) -> InputError:
    return InputError(subject, "there is no picture", next_step="Let the list catch up.",
                      code="not-found")
