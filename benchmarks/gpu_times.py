"""Times on a device: what a user waits for, launches included."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

Rows = dict[str, list[float]]


def synchronize(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def take(rows: Rows, name: str, action: Callable[[], object], device: str) -> None:
    """Wall time between two synchronisations."""
    synchronize(device)
    begun = time.perf_counter()
    action()
    synchronize(device)
    rows.setdefault(name, []).append(time.perf_counter() - begun)
