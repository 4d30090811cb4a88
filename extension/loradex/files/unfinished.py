"""Tells a download or copy that has not ended: by its name, by what lies beside it, by growth."""

from __future__ import annotations

import re
from collections.abc import Collection

from loradex.errors import IncompleteFileError, LoradexError
from loradex.files.faults import FAULTS, FaultText

UNFINISHED_SUFFIXES = (
    ".part",  # Firefox, wget-like tools, ComfyUI-Lora-Manager
    ".crdownload",  # Chrome, Edge: also `Unconfirmed 123456.crdownload`
    ".partial",  # older Edge, torch.hub
    ".download",  # Safari
    ".opdownload",  # Opera
    ".incomplete",  # huggingface_hub
    ".filepart",  # WinSCP
    ".!qb", ".!ut", ".bc!",  # qBittorrent, uTorrent, BitComet
    ".fdmdownload", ".aria2", ".tmp", ".temp",
)  # fmt: skip

CONTROL_SUFFIXES = (".aria2",)
"""A file of this name beside `NAME` says that `NAME` has its full length but not its content."""

_NUMBER = re.compile(r"(\.part)\d{1,3}\Z")
_NAMELESS = re.compile(r"unconfirmed \d+\Z|nicht bestätigt \d+\Z", re.IGNORECASE)


def is_unfinished(name: str) -> bool:
    """True for the name that a browser or downloader uses until the file is complete."""
    return _cut(name) > 0


def finished_name(name: str) -> str:
    """What an unfinished file will be called, or '' where the name does not tell."""
    stop = _cut(name)
    base = name[:stop] if stop > 0 else ""
    return "" if _NAMELESS.match(base) else base


def why_unfinished(
    name: str,
    error: LoradexError | None = None,
    *,
    names: Collection[str] = (),
    size: int | None = None,
    earlier_size: int | None = None,
) -> FaultText | None:
    """The fault of a file that is still being written, or None where nothing says so.

    `error` is what its header reader said, `names` the files of its folder, `earlier_size` its
    size some time before: a cut file that grew is on its way, one that rests is broken.
    """
    if is_unfinished(name):
        return _text("Its name is that of an unfinished download")
    control = next((name + end for end in CONTROL_SUFFIXES if name + end in names), "")
    if control:
        return _text(f"'{control}' beside it says that the download has not ended")
    cut = isinstance(error, IncompleteFileError) or (
        error is not None and error.code in ("zeros", "empty")
    )
    if cut and size is not None and earlier_size is not None and size > earlier_size:
        return _text(f"It grows: {earlier_size:,} bytes before, {size:,} now")
    return None


def _cut(name: str) -> int:
    """Where the suffix of an unfinished file begins, or 0."""
    lower = _NUMBER.sub(r"\1", name.lower())
    for suffix in UNFINISHED_SUFFIXES:
        if lower.endswith(suffix) and len(lower) > len(suffix):
            return len(lower) - len(suffix)
    return 0


def _text(message: str) -> FaultText:
    return FaultText("unfinished", f"{message}.", FAULTS["unfinished"].next_step)
