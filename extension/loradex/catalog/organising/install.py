"""Puts a network that comes in pieces into the library: checked before it has its name."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from pathlib import Path

from loradex.catalog.organising.operations import reason
from loradex.catalog.organising.part_file import PartFile
from loradex.catalog.organising.places import Place, Places
from loradex.catalog.organising.portable import check_name
from loradex.catalog.reading.structures import Structures
from loradex.errors import FileError, InputError
from loradex.files.foreign import SNIFF_BYTES
from loradex.files.header import LENGTH_BYTES, MAX_HEADER_BYTES, parse_header

SUFFIX = ".safetensors"
MOST_BYTES = 32 << 30
SPARE_BYTES = 64 << 20
"""Left free on the drive: a full one breaks other programs."""


class Installation:
    """One file on its way; `close` removes what did not become a file of the library.

    The pieces go into a hidden file beside the target, which no list shows. As soon as the header
    is there it is read: what is no LoRA is refused before the rest is sent. At the end the file
    gets its name, unless another file took it meanwhile: nothing is ever replaced.
    """

    def __init__(self, places: Places, root: Path, folder: str, name: str, size: int) -> None:
        """Checks everything that can be known before the first byte.

        Raises:
            InputError: a name or folder that cannot be, another file's name, too large, no room.
        """
        self.size, self.name = size, _checked_name(name)
        self._place = places.folder(folder, root)
        self._check_size()
        self._make_room()
        part = self._place.path / f".{name}.{secrets.token_hex(4)}.part"
        self._part = PartFile(part, size, self._inspect, name=name, target=self.path)
        self._head = bytearray()
        self._checked = False
        self._digest = hashlib.sha256()

    @property
    def path(self) -> Path:
        return self._place.path / self.name

    @property
    def place(self) -> Place:
        return self._place

    @property
    def written(self) -> int:
        return self._part.written

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def write(self, piece: bytes) -> None:
        """Takes the next bytes.

        Raises:
            FileError: what has come so far is no LoRA, or cannot be written.
        """
        self._part.write(piece)

    def finish(self) -> Path:
        """Gives the whole file its name; afterwards it is safe from a power cut.

        Raises:
            FileError: bytes are missing, or the disk fails.
            InputError: another file took the name.
        """
        self._part.finish()
        assert self._checked  # no header is read as longer than its file
        try:
            self._give_name()
        except FileExistsError:
            raise _exists(self.path) from None
        except OSError as error:
            raise FileError(self.name, reason(error, self.path), code="unwritable") from error
        self.close()
        return self.path

    def close(self) -> None:
        self._part.close()

    def _check_size(self) -> None:
        if not 0 < self.size <= MOST_BYTES:
            raise InputError(self.name, f"{self.size:,} bytes", f"1 to {MOST_BYTES:,}", "",
                             "too-large")

    def _make_room(self) -> None:
        """Makes the folder, where the name is free and the drive has room."""
        if os.path.lexists(self.path):
            raise _exists(self.path)
        try:
            self._place.path.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self._place.path).free
        except OSError as error:
            raise InputError(self.name, reason(error, self._place.path)) from error
        if free < self.size + SPARE_BYTES:
            raise InputError(self.name, f"the drive has {free:,} bytes left",
                             f"{self.size + SPARE_BYTES:,}", "Free some space and try again.",
                             "no-space")

    def _inspect(self, piece: bytes) -> None:
        self._check_beginning(piece)
        self._digest.update(piece)

    def _check_beginning(self, piece: bytes) -> None:
        """Reads the header when all of it has come, and keeps no byte of it after that."""
        if self._checked:
            return
        self._head += piece
        if len(self._head) < self._needed():
            return
        header = parse_header(bytes(self._head), self.size, self.name)
        structure = Structures().work_out("", header)
        if structure.not_a_lora:
            raise FileError(self.name, f"this is no LoRA; it is: {structure.not_a_lora}", "a LoRA",
                            "Put it into the folder where such files belong.", "not-a-lora")
        self._head, self._checked = bytearray(), True

    def _needed(self) -> int:
        """How many bytes from the beginning on tell what the file is."""
        sniffed = min(SNIFF_BYTES, self.size)
        if len(self._head) < sniffed:
            return sniffed
        end = LENGTH_BYTES + int.from_bytes(self._head[:LENGTH_BYTES], "little")
        is_header = end <= min(self.size, LENGTH_BYTES + MAX_HEADER_BYTES)
        return max(end, sniffed) if is_header else sniffed

    def _give_name(self) -> None:
        """A link fails where the name is taken; a drive without links gets a rename."""
        try:
            self.path.hardlink_to(self._part.path)
        except FileExistsError:
            raise
        except OSError:
            if os.path.lexists(self.path):
                raise FileExistsError from None
            self._part.path.rename(self.path)


def _checked_name(name: str) -> str:
    check_name(name)
    if not name.lower().endswith(SUFFIX) or not name[: -len(SUFFIX)].strip():
        raise InputError(name or "name", "this is no safetensors file by its name",
                         f"a name that ends in {SUFFIX}",
                         "Pickles (.pt, .ckpt) can run code: convert them first.")
    return name


def _exists(path: Path) -> InputError:
    return InputError(path.name, "a file of that name is there", "a free name",
                      "Choose another name or folder; nothing is replaced.", "exists")
