"""Writes a picture in one step: the whole file, with its infotext, or nothing."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from loradex.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

_NUMBERED = re.compile(r"(\d{5,})-.*\.png", re.IGNORECASE)


def write_png(image: Image, infotext: str, path: Path) -> Path:
    """Write `image` to `path`, replacing that file only when the new one is complete."""
    temporary = _write_temporary(image, infotext, path.parent)
    try:
        temporary.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def write_numbered(image: Image, infotext: str, folder: Path, seed: int) -> Path:
    """Write to the next free `00001-SEED.png` of `folder`; an existing file is never replaced."""
    temporary = _write_temporary(image, infotext, folder)
    try:
        number = next_number(folder)
        while True:
            path = folder / f"{number:05d}-{seed}.png"
            with contextlib.suppress(FileExistsError):
                _link_new(temporary, path)
                return path
            number += 1
    except OSError as error:
        raise _unwritable(folder, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def next_number(folder: Path) -> int:
    """One more than the highest number in front of a picture's name."""
    numbers = (_NUMBERED.fullmatch(entry.name) for entry in folder.iterdir())
    return max((int(match[1]) for match in numbers if match), default=0) + 1


def _link_new(temporary: Path, path: Path) -> None:
    """Give the finished file its name; fails where that name is taken."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        # File systems without hard links (FAT, some network shares): take the name first.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        temporary.replace(path)


def _write_temporary(image: Image, infotext: str, folder: Path) -> Path:
    """A complete PNG beside its place, on disk; removed again if writing fails."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    # As the WebUI: a text chunk `parameters`, which is iTXt where the text is not Latin-1.
    info.add_text("parameters", infotext)
    # Not `tempfile`: it makes private files, and a picture gets what any new file would get.
    path = folder / f".loradex-{secrets.token_hex(8)}.png"
    try:
        with path.open("xb") as stream:
            image.save(stream, format="PNG", pnginfo=info)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise _unwritable(folder, error) from error
    return path


def _unwritable(path: Path, error: OSError) -> InputError:
    reason = error.strerror or type(error).__name__
    return InputError(
        f"output {path}", f"cannot be written ({reason})", "a writable place",
        "Choose another one with --output-dir or --out.",
    )
