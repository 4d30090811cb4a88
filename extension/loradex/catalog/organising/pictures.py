"""Takes in a picture or film for a model, and says which files it replaces."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from pathlib import Path

from loradex.catalog.organising.operations import Step
from loradex.catalog.organising.part_file import PartFile
from loradex.catalog.records import Entry
from loradex.errors import FileError, InputError
from loradex.files.media import SNIFFED_BYTES, SUFFIX_OF, media_type
from loradex.files.metadata import METADATA
from loradex.files.sidecar_names import PREVIEW_SUFFIXES, companions, previews

MOST_BYTES = {"image": 32 << 20, "video": 128 << 20}


class IncomingPicture:
    """One on its way, in a hidden file beside its model; `close` removes what was not put there.

    It goes by its bytes: as soon as they tell what it is, everything else is refused.
    """

    def __init__(self, model: Path, size: int) -> None:
        """Raises InputError for a size that no picture or film may have."""
        self.name = f"The picture of {model.stem}"
        self.size = size
        self.path = model.with_name(f".{secrets.token_hex(8)}.part")
        self._part = PartFile(self.path, size, self._sniff, name=self.name, target=model)
        self.media_type = ""
        self._head = b""
        self._check_size(max(MOST_BYTES.values()))

    def write(self, piece: bytes) -> None:
        """Takes the next bytes. Raises FileError for what is shown nowhere, or a full drive."""
        self._part.write(piece)

    def finish(self) -> None:
        """Ends the file; it is on the disk then. Raises FileError where bytes are missing."""
        self._part.finish()

    def close(self) -> None:
        self._part.close()

    def _sniff(self, piece: bytes) -> None:
        if self.media_type:
            return
        self._head += piece[:SNIFFED_BYTES]
        if len(self._head) < min(SNIFFED_BYTES, self.size):
            return
        self.media_type = media_type(self._head)
        if not self.media_type:
            raise FileError(self.name, "by its bytes it is no picture or film that is shown",
                            "PNG, JPEG, WebP, GIF, AVIF, MP4 or WebM", "Save it as one of these.",
                            "no-picture")
        self._check_size(MOST_BYTES[self.media_type.partition("/")[0]])

    def _check_size(self, most: int) -> None:
        if not 0 < self.size <= most:
            raise InputError(self.name, f"{self.size:,} bytes", f"1 to {most:,}",
                             "Save it smaller.", "too-large")


def steps_to_put(entry: Entry, came: IncomingPicture) -> tuple[Step, ...]:
    """Puts a picture beside a model; all that other tools may show instead goes into the bin.

    `NAME.preview.png` is what AUTOMATIC1111 itself writes. Numbered examples stay.
    """
    model = entry.file.path
    target = model.with_name(f"{model.stem}.preview{SUFFIX_OF[came.media_type]}")
    plain = [name for name in _shown(model)
             if name[len(model.stem) :].lower() in PREVIEW_SUFFIXES]
    return (*_thrown_away(model, plain), Step(came.path, target, "bring"))


def steps_to_remove(entry: Entry) -> tuple[Step, ...]:
    """Throws the picture away that is shown. Raises InputError where there is no such file."""
    if entry.summary.preview == METADATA:
        raise InputError(entry.file.name, "its picture is inside the file", "one beside it",
                         "Put another picture beside it, which is shown then.")
    shown = _shown(entry.file.path)
    if not shown:
        raise InputError(entry.file.name, "it has no picture", code="not-found")
    return _thrown_away(entry.file.path, shown[:1])


def _shown(model: Path) -> Sequence[str]:
    names = [path.name for path in model.parent.iterdir() if not path.name.startswith(".")]
    return previews(model.name, companions(model.name, names))


def _thrown_away(model: Path, names: Collection[str]) -> tuple[Step, ...]:
    return tuple(Step(model.with_name(name), None, "trash") for name in names)
