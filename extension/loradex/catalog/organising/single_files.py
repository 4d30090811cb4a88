"""Moves and copies single files so that nothing is overwritten and no byte is lost on the way."""

from __future__ import annotations

import errno
import filecmp
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

from loradex.catalog.organising.portable import fold

_BLOCK = 4 << 20
_ATTEMPTS = 5
_PAUSE = 0.1


def fresh_name(target: Path, operation_id: str, index: int) -> Path:
    """Where a file is built before it takes its name; hidden, so that no list shows it."""
    return target.with_name(f".{operation_id}-{index}.new")


def aside_name(source: Path, operation_id: str, index: int) -> Path:
    """Where a source waits until its copy is known to be complete."""
    return source.with_name(f".{operation_id}-{index}.old")


def rename_new(source: Path, target: Path) -> None:
    """Like os.rename on Windows, everywhere: raises FileExistsError instead of replacing."""
    for attempt in range(_ATTEMPTS):
        refuse_taken(target)
        try:
            source.rename(target)
            return
        except PermissionError:
            if os.name != "nt" or attempt == _ATTEMPTS - 1:
                raise
            time.sleep(_PAUSE)  # a virus scanner looks at it for a moment


def refuse_taken(target: Path) -> None:
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))


def is_same_entry(source: Path, target: Path) -> bool:
    """True for `Foo` and `foo` in one folder of a file system that takes both for one file.

    Where it does not, they may still be hard links to one file; then both are listed.
    """
    if source.parent != target.parent or fold(source.name) != fold(target.name):
        return False
    try:
        same = os.path.samestat(source.lstat(), target.lstat())
    except OSError:
        return False
    both = {source.name, target.name}
    listed = {entry.name for entry in source.parent.iterdir()} & both if same else both
    return source.name != target.name and listed != both


def same_bytes(one: Path, other: Path) -> bool:
    """Whether both hold the same; for links, whether they lead to the same."""
    if one.is_symlink() or other.is_symlink():
        return os.path.realpath(one) == os.path.realpath(other)
    return one.is_file() and other.is_file() and filecmp.cmp(one, other, shallow=False)


def copy_durably(source: Path, target: Path) -> None:
    """A copy with its times that is on the disk when this returns; links stay links.

    A relative link is spelled anew, so that it still leads to the same file.
    """
    if source.is_symlink():
        text = source.readlink()
        if not text.is_absolute():
            leads_to = Path(os.path.realpath(source.parent)) / text
            text = Path(os.path.relpath(leads_to, os.path.realpath(target.parent)))
        target.symlink_to(text)
        return
    with source.open("rb") as reader, target.open("xb") as writer:
        shutil.copyfileobj(reader, writer, _BLOCK)
        writer.flush()
        os.fsync(writer.fileno())
    with suppress(OSError):  # a file system without modes or extended attributes
        shutil.copystat(source, target)
    found, expected = target.stat().st_size, source.stat().st_size
    if found != expected:
        raise OSError(errno.EIO, f"the copy has {found} bytes instead of {expected}", str(source))


def is_relative_link(source: Path, target: Path) -> bool:
    return (
        source.is_symlink()
        and not source.readlink().is_absolute()
        and os.path.realpath(source.parent) != os.path.realpath(target.parent)
    )


def sync_folder(folder: Path) -> None:
    """Makes a new name durable; Windows opens no folders and needs no such call."""
    if os.name == "nt":
        return
    with suppress(OSError):  # some network file systems
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def carry(source: Path, target: Path) -> None:
    """A rename, or a complete copy where the target is on another file system."""
    try:
        rename_new(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy_durably(source, target)
        sync_folder(target.parent)
        remove(source)


def remove(path: Path) -> None:
    """Deletes a file of which a complete copy exists; also one that Windows holds read-only."""
    try:
        path.unlink()
    except PermissionError:
        path.chmod(0o600)
        path.unlink()
