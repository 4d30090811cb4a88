"""Routes about the engine's memory: what it holds, and giving back what no run needs now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from loradex.server.answers import Route
from loradex.server.asked import Asked
from loradex.server.backend import Backend


def memory(backend: Backend, _: Asked) -> Mapping[str, Any]:
    """What the engine holds in memory, in bytes."""
    return {"memory": asdict(backend.service.memory())}


def release(backend: Backend, _: Asked) -> Mapping[str, Any]:
    """Gives back memory that only makes later runs faster: unused networks and spare buffers."""
    freed = backend.service.release_memory()
    return {"freed_bytes": freed, **memory(backend, _)}


ROUTES = (
    Route("GET", "/engine", memory),
    Route("POST", "/engine/release", release, changes=True),
)
