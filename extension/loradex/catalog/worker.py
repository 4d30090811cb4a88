"""One thread that does the catalog's background jobs in order, and can be stopped."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

from loradex.errors import LoradexError

log = logging.getLogger(__name__)

Job = Callable[[], None]


class Worker:
    """Runs jobs one after the other; a job that fails is logged and the next one runs."""

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def stopping(self) -> threading.Event:
        """Set when the worker is to end; long jobs look at it."""
        return self._stopping

    def do(self, job: Job) -> None:
        self._jobs.put(job)

    def stop(self) -> None:
        """Ends after the running job; waiting jobs are dropped."""
        self._stopping.set()
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            if self._stopping.is_set():
                continue
            try:
                job()
            except (LoradexError, OSError):
                log.exception("A background job of the catalog failed")
