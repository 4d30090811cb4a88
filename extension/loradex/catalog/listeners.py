"""Who wants to hear of changes: a list of functions, called in the order of their coming."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from loradex.catalog.records import Change

log = logging.getLogger(__name__)

Listener = Callable[[Change], None]


class Listeners:
    """Tells every listener every change; one that fails is logged and stops none of the others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: tuple[Listener, ...] = ()

    def add(self, listener: Listener) -> Callable[[], None]:
        """From now on `listener` hears every change, on the thread that made it.

        Returns a function that ends it.
        """
        with self._lock:
            self._listeners = (*self._listeners, listener)
        return lambda: self._remove(listener)

    def tell(self, changes: Sequence[Change]) -> None:
        for listener in self._listeners:
            for change in changes:
                try:
                    listener(change)
                except Exception:
                    log.exception("A listener failed on %s of %s", change.kind, change.id)

    def _remove(self, listener: Listener) -> None:
        with self._lock:
            self._listeners = tuple(one for one in self._listeners if one is not listener)
