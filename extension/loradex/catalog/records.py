"""What the catalog keeps of a file, and how it is asked for: plain records without behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from loradex.catalog.network_file import NetworkFile

Status = Literal["ok", "broken", "unfinished", "not_a_lora"]
Presence = Literal["present", "offline", "gone"]


@dataclass(frozen=True)
class FaultNote:
    """What is wrong with a file, in the same words on every surface."""

    code: str
    message: str
    next_step: str = ""


@dataclass(frozen=True)
class FileFacts:
    """What a file's own bytes say of it; the same bytes always give the same facts.

    `structure` is a digest of names, types, shapes and offsets without the metadata: files of one
    structure fit the same checkpoints. `fingerprint` is a digest of size, header and samples of
    the data: it recognises a file that was moved before its hash is known.
    """

    status: Status
    fingerprint: str
    structure: str = ""
    kind: str = ""
    """`lora` for every network type; else what the file is instead (`ControlNet`), or ''."""
    fault: FaultNote | None = None
    family: str = ""
    """The one candidate, or '' where there are none or several."""
    variant: str = ""
    candidates: tuple[str, ...] = ()
    confidence: str = "unknown"
    evidence: tuple[str, ...] = ()
    layouts: Mapping[str, int] = field(default_factory=dict)
    """Layout -> number of tensors."""
    types: Mapping[str, int] = field(default_factory=dict)
    """Network type -> number of modules; the most frequent first."""
    rank: int | None = None
    """The most frequent rank."""
    ranks: Mapping[int, int] = field(default_factory=dict)
    components: Mapping[str, int] = field(default_factory=dict)
    """`unet`, `clip_l` ... -> number of modules."""
    embeddings: tuple[str, ...] = ()
    """Names of the bundled textual inversion embeddings."""


@dataclass(frozen=True)
class Summary:
    """What cards and lists show out of metadata and sidecars, already merged."""

    title: str = ""
    description: str = ""
    trigger_words: tuple[str, ...] = ()
    preferred_strength: float | None = None
    base_model: str = ""
    """What metadata or a sidecar calls the base, in its own words (`Illustrious`)."""
    tags: tuple[str, ...] = ()
    notes: str = ""
    preview: str = ""
    """File name beside the model, `metadata` for an embedded cover, or ''."""
    alias: str = ""
    """`ss_output_name`: what the file was called when it was trained; prompts may name it so."""
    session: str = ""
    """`ss_session_id`: files of one training run share it."""
    epoch: str = ""
    nsfw_level: int = 0
    """Civitai's bits of the worst picture (1 PG, 2 PG13, 4 R, 8 X, 16 XXX); 0 where nobody says."""
    problems: tuple[str, ...] = ()
    """Sidecars that could not be read, in words."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Field -> where its value comes from (`ink.json`, `metadata`)."""


@dataclass(frozen=True)
class UserData:
    """What only the user knows; kept by content, so that it follows a file wherever it goes."""

    favourite: bool = False
    rating: int | None = None
    """0 to 10, as in Additional Networks' `ssmd_rating`."""
    tags: tuple[str, ...] = ()
    notes: str = ""
    family: str = ""
    """The user's own word on the family; it always wins."""

    @property
    def empty(self) -> bool:
        return self == UserData()


@dataclass(frozen=True)
class Entry:
    """One file of the catalog as surfaces see it."""

    key: int
    """Stays the same while the file is moved, renamed or replaced."""
    file: NetworkFile
    presence: Presence
    facts: FileFacts
    summary: Summary = Summary()
    user: UserData = UserData()
    sha256: str = ""
    tensor_sha256: str = ""
    added_ns: int = 0
    verdict: str = ""
    """Against the checkpoint that the query named, or ''."""

    @property
    def family(self) -> str:
        """The user's word, else what the file says."""
        return self.user.family or self.facts.family


Sort = Literal["name", "path", "added", "modified", "size", "rating", "family", "relevance"]


@dataclass(frozen=True)
class Query:
    """Which entries, in which order, which page; empty fields do not filter.

    `text` is searched in name, title, folder, trigger words, tags and notes: every word must
    occur somewhere. Several values of one field mean any of them; fields are combined with and.
    """

    text: str = ""
    families: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    statuses: tuple[Status, ...] = ()
    verdicts: tuple[str, ...] = ()
    checkpoint: str = ""
    """Whose verdicts to show and filter by (an id given to `Store.set_verdicts`)."""
    folder: str = ""
    """Posix path below a root; with everything below it."""
    tags: tuple[str, ...] = ()
    """All of them, the user's and the sidecars'."""
    favourite: bool | None = None
    has_fault: bool | None = None
    has_preview: bool | None = None
    presence: tuple[Presence, ...] = ("present", "offline")
    sort: Sort = "name"
    descending: bool = False
    offset: int = 0
    limit: int | None = 100


@dataclass(frozen=True)
class Page:
    """Some entries of a query and how many there are in all."""

    entries: tuple[Entry, ...]
    total: int


ChangeKind = Literal["added", "changed", "moved", "gone", "offline", "online", "described", "user",
                     "hashed"]


@dataclass(frozen=True)
class Change:
    """One thing that happened to one entry, for whoever listens."""

    kind: ChangeKind
    key: int
    id: str
    old_id: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
