"""The hashes of used networks for the infotext: out of the index where it has them."""

from __future__ import annotations

from loradex.errors import LoradexError
from loradex.files.hashes import hash_file
from loradex.networks.report import Applied, RunReport
from loradex.webui.live_catalog import LiveCatalog

Key = tuple[str, tuple[int, ...]]


class HashSource:
    """Each state of a file is hashed at most once, by the index or here."""

    def __init__(self, catalog: LiveCatalog) -> None:
        self._catalog = catalog
        self._known: dict[Key, str] = {}

    def of(self, report: RunReport) -> dict[str, str]:
        """Network id -> tensor hash of the networks that made a difference."""
        found = {row.id: self._hash(row) for row in report.applied if row.used}
        return {name: digits for name, digits in found.items() if digits}

    def _hash(self, row: Applied) -> str:
        key = (row.id, row.version)
        if key not in self._known:
            self._known[key] = self._look_up(row)
        return self._known[key]

    def _look_up(self, row: Applied) -> str:
        try:
            entry = self._catalog.get().entry(row.name)
            file = entry.file
            if entry.tensor_sha256 and (file.size, file.mtime_ns) == row.version:
                return entry.tensor_sha256
            return hash_file(file.path).lora_hash
        except (LoradexError, OSError):
            return ""  # the file went away since it was applied
