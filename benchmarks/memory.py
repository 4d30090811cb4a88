"""Memory of this process as the kernel counts it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

_STATUS = Path("/proc/self/status")
_INTERVAL = 0.002


def rss_bytes() -> int:
    """Resident memory now; 0 where the system has no /proc."""
    return _field("VmRSS")


def peak_bytes() -> int:
    """The highest resident memory of this process so far; 0 where the system has no /proc."""
    return _field("VmHWM")


def _field(name: str) -> int:
    if not _STATUS.exists():
        return 0
    line = next(one for one in _STATUS.read_text().splitlines() if one.startswith(name))
    return int(line.split()[1]) * 1024


class MemoryPeak:
    """The highest resident memory inside a `with` block, looked at every 2 ms."""

    def __init__(self) -> None:
        self.bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> MemoryPeak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.bytes = max(self.bytes, rss_bytes())

    def _watch(self) -> None:
        while not self._stop.is_set():
            self.bytes = max(self.bytes, rss_bytes())
            time.sleep(_INTERVAL)
