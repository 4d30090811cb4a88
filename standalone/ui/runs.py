"""A generation on its own thread, followed from the page and stopped from it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from standalone.records import GenerationRequest, GenerationResult, Progress

if TYPE_CHECKING:
    from PIL.Image import Image

    from standalone.session import Session

PREVIEW_SECONDS = 0.25
PREVIEW_SHARE = 0.1
"""Previews take at most this share of the time of a run."""


class Seen(NamedTuple):
    """One look at a run: where it is, and the newest preview there is."""

    progress: Progress
    preview: Image | None


class Run:
    """One generation; `follow` gives looks at it until it has ended, then `result` its outcome."""

    def __init__(self, session: Session, request: GenerationRequest) -> None:
        self.cancelled = threading.Event()
        self._news: SimpleQueue[Seen | None] = SimpleQueue()
        self._preview: Image | None = None
        self._next_preview = 0.0
        executor = ThreadPoolExecutor(1, thread_name_prefix="loradex-generation")
        self._outcome: Future[GenerationResult] = executor.submit(
            session.generate, request, self._see, self.cancelled
        )
        self._outcome.add_done_callback(lambda _: self._news.put(None))
        executor.shutdown(wait=False)

    def follow(self) -> Iterator[Seen]:
        """The newest look each time; a reader that leaves early stops the run."""
        try:
            while (seen := self._newest()) is not None:
                yield seen
        finally:
            if not self._outcome.done():
                self.cancelled.set()

    def result(self) -> GenerationResult:
        """What the run gave; raises what it raised."""
        return self._outcome.result()

    def _newest(self) -> Seen | None:
        seen = self._news.get()
        while seen is not None and not self._news.empty():
            seen = self._news.get()
        return seen

    def _see(self, progress: Progress) -> None:
        """Runs on the generation's thread, the only place where a preview may be taken."""
        now = time.perf_counter()
        if progress.preview is not None and now >= self._next_preview:
            self._preview = progress.preview()
            done = time.perf_counter()
            self._next_preview = done + max(PREVIEW_SECONDS, (done - now) / PREVIEW_SHARE)
        self._news.put(Seen(progress, self._preview))


class Runs:
    """The runs that go on now, by the browser tab that started them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._active: dict[str, Run] = {}

    def start(self, owner: str, request: GenerationRequest) -> Run:
        run = Run(self._session, request)
        with self._lock:
            self._active[owner] = run
        return run

    def end(self, owner: str, run: Run) -> None:
        with self._lock:
            if self._active.get(owner) is run:
                del self._active[owner]

    def cancel(self, owner: str) -> None:
        with self._lock:
            run = self._active.get(owner)
        if run is not None:
            run.cancelled.set()

    def cancel_all(self) -> None:
        with self._lock:
            runs = list(self._active.values())
        for run in runs:
            run.cancelled.set()
