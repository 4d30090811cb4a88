"""SHA-256 of files, and of safetensors without their header, as the WebUI keeps them."""

from __future__ import annotations

import hashlib
from pathlib import Path

_known: dict[tuple[str, bool], tuple[float, str]] = {}


def sha256_from_cache(
    filename: str, title: str, use_addnet_hash: bool = False
) -> str | None:
    file = Path(filename)
    mtime, found = _known.get((title, use_addnet_hash), (0.0, None))
    return found if file.exists() and file.stat().st_mtime <= mtime else None


def sha256(filename: str, title: str, use_addnet_hash: bool = False) -> str | None:
    found = sha256_from_cache(filename, title, use_addnet_hash)
    if found is None:
        data = Path(filename).read_bytes()
        if use_addnet_hash:
            data = data[int.from_bytes(data[:8], "little") + 8:]
        found = hashlib.sha256(data).hexdigest()
        _known[title, use_addnet_hash] = (Path(filename).stat().st_mtime, found)
    return found


def calculate_sha256(filename: str) -> str:
    return hashlib.sha256(Path(filename).read_bytes()).hexdigest()
