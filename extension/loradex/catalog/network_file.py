"""The record of one file that may hold a network: what it is called and where it lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

Stamp = tuple[int, int, int, int]
"""Size, time of the last write in ns, inode, time of the last change in ns."""


@dataclass(frozen=True)
class NetworkFile:
    """One file that may hold a network.

    `id` is its path relative to `root` in posix form, with the suffix; `name` is the file's name
    without it. Bytes that are no text are shown as `\\xff` in both, while `path` is exact.
    """

    id: str
    name: str
    path: Path
    root: Path
    size: int
    mtime_ns: int
    inode: int = 0
    ctime_ns: int = 0

    @property
    def stamp(self) -> Stamp:
        """What differs when the file was written to, replaced or swapped with another.

        Size and time alone miss a write within the clock's grain, and two files that changed
        places; where a system tells no inode it is 0.
        """
        return self.size, self.mtime_ns, self.inode, self.ctime_ns
