"""A thread that does small pieces of work a moment after they were asked for."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)

_YIELD_S = 0.005


class Keeper:
    """Runs each of its tasks once, some time after the first of several requests.

    The thread starts with the first request. A task returns whether it has more to do, and is
    then called again soon.
    """

    def __init__(self, tasks: Mapping[str, Callable[[], bool]], name: str) -> None:
        self._tasks = tasks
        self._name = name
        self._due: dict[str, float] = {}
        self._first: dict[str, float] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopped = False

    def ask(self, task: str, delay_s: float, latest_s: float = 0.0) -> None:
        """Asks for a task; a request that waits already keeps its time.

        With `latest_s` it is put off instead, until so long after the first request: what costs
        much waits for the end of a burst.
        """
        now = time.monotonic()
        with self._changed:
            if self._stopped:
                return
            if latest_s:
                last = self._first.setdefault(task, now) + latest_s
                self._due[task] = max(self._due.get(task, 0.0), min(now + delay_s, last))
            else:
                self._due.setdefault(task, now + delay_s)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def stop(self) -> None:
        """Ends the thread after the piece of work that it is at; what waits is not done."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        while (task := self._next()) is not None:
            try:
                again = self._tasks[task]()
            except Exception:  # one failure must not end all later work
                log.exception("The task '%s' of the catalog failed", task)
                again = False
            if again:
                self.ask(task, _YIELD_S)

    def _next(self) -> str | None:
        """The task whose time has come; None when the thread shall end."""
        with self._changed:
            while not self._stopped:
                now = time.monotonic()
                ready = [name for name, due in self._due.items() if due <= now]
                if ready:
                    del self._due[ready[0]]
                    self._first.pop(ready[0], None)
                    return ready[0]
                first = min(self._due.values(), default=None)
                self._changed.wait(None if first is None else first - now)
            return None
