"""The session as the LoRA page sees it: its files, the chosen checkpoint, the last report."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from loradex.catalog.catalog import Catalog
from loradex.compat.checkpoint import CheckpointFacts, classify_checkpoint
from loradex.errors import LoradexError
from loradex.networks.cache import EngineMemory

from standalone.checkpoint import locate_checkpoint
from standalone.session import Session

OPEN = "everyone who can reach this address can use this app, and there is no login"


class StandaloneService:
    """What `loradex.server` asks of its host; see `loradex.server.service.Service`."""

    def __init__(self, session: Session, *, reachable: bool = False) -> None:
        """`reachable`: whether other machines can reach the app, which locks all changes."""
        self._session = session
        self._reachable = reachable
        self._ending = threading.Event()
        self._judged: tuple[str, CheckpointFacts | None] = ("", None)

    def catalog(self) -> Catalog:
        return self._session.catalog(self._session.chosen)

    def checkpoint(self) -> CheckpointFacts | None:
        """What the form names, read once for each choice; None for a hub id or a bad path."""
        name = self._session.chosen
        if self._judged[0] != name:
            self._judged = (name, _facts(name))
        return self._judged[1]

    def applied(self) -> Mapping[str, Any]:
        return self._session.last_report

    def engine(self) -> Mapping[str, Any]:
        return {"on": True, "reason": "", "host": "standalone"}

    def memory(self) -> EngineMemory:
        return self._session.memory()

    def release_memory(self) -> int:
        return self._session.release_memory()

    def stopping(self) -> bool:
        return self._ending.is_set()

    def stop(self) -> None:
        """The app is about to end: open streams of events must too."""
        self._ending.set()

    def locked(self) -> str:
        return OPEN if self._reachable else ""


def _facts(name: str) -> CheckpointFacts | None:
    try:
        path = locate_checkpoint(name)
        return None if path is None else classify_checkpoint(path)
    except LoradexError:
        return None
