"""What the disk side tells the store, and what the store tells it of what it knows."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Union

from loradex.catalog.network_file import NetworkFile, Stamp
from loradex.catalog.records import FileFacts, Presence, Summary


@dataclass(frozen=True)
class Put:
    """This file is here with this content.

    Without a key it is a new row. With one, that row now has this file, wherever it was before:
    key, user data and `added_ns` stay; the hashes stay while the fingerprint is the same. A key
    that the store does not know (its database was rebuilt meanwhile) makes a new row.
    """

    file: NetworkFile
    facts: FileFacts
    summary: Summary = field(default_factory=Summary)
    companions_stamp: str = ""
    key: int | None = None


@dataclass(frozen=True)
class Gone:
    """The row's content is nowhere: hidden, but its user data and hashes wait for it."""

    key: int


@dataclass(frozen=True)
class SetPresence:
    """A whole root went offline, or is back; nothing else of its rows changes."""

    root: str | Path
    presence: Literal["present", "offline"]


Update = Union[Put, Gone, SetPresence]  # noqa: UP007 - `|` of classes gives no alias for isinstance


class Known(NamedTuple):
    """What reconciling needs of a row; cheap, because it is made for all of them."""

    key: int
    root: str
    id: str
    stamp: Stamp
    companions_stamp: str
    fingerprint: str
    presence: Presence
    exact_path: bytes | None = None
    """Where the path is not just root and id: a name that is no text has `\\xff` in its id."""

    @property
    def path(self) -> Path:
        return Path(place(self.root, self.id, self.exact_path))

    @property
    def name(self) -> str:
        """The file name with its suffix."""
        return self.id.rpartition("/")[2]


def place(root: str, file_id: str, exact: bytes | None) -> str:
    """The path of a row's file."""
    if exact is not None:
        return os.fsdecode(exact)
    return os.path.join(root, file_id.replace("/", os.sep))  # noqa: PTH118 - 20,000 at once
