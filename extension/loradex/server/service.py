"""What the JSON API needs of whoever runs it: a catalog, and what is loaded and applied now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from loradex.catalog.catalog import Catalog
from loradex.compat.checkpoint_facts import CheckpointFacts
from loradex.networks.cache import EngineMemory


class Service(Protocol):
    """A host as the API sees it. Every method may be called from any thread."""

    def catalog(self) -> Catalog: ...

    def checkpoint(self) -> CheckpointFacts | None:
        """The checkpoint that is loaded, or None."""

    def applied(self) -> Mapping[str, Any]:
        """The last generation's report as plain data; empty before the first one."""

    def engine(self) -> Mapping[str, Any]:
        """`on` (bool), `reason` (a sentence) and `host` (its name)."""

    def memory(self) -> EngineMemory:
        """What the engine holds; answered at once, also while networks are put on."""

    def release_memory(self) -> int:
        """Gives back what only makes later runs faster; returns the bytes."""

    def stopping(self) -> bool:
        """Whether the host's server is about to end: it waits for streams that are open."""

    def locked(self) -> str:
        """Why nobody may change files and notes through the API, a sentence; '' where all may."""
