"""Every check of a request that needs no model: done before anything is loaded."""

from __future__ import annotations

import math
import os
import tempfile
from pathlib import Path

from loradex.errors import InputError

from standalone.records import GenerationRequest, Settings
from standalone.samplers import resolve_sampler

SIDE = range(16, 4097)
STEPS = range(1, 1001)
BATCH = range(1, 101)
CLIP_SKIP = range(1, 13)
CACHE_MB = range(1 << 24)
MAX_CFG = 100.0
MAX_SEED = 2**63 - 1
"""torch's generators take 64 bits; the WebUI's random seeds are below 2**32."""


def check_request(request: GenerationRequest) -> None:
    """Raise `InputError` for the first value that cannot be used."""
    resolve_sampler(request.sampler, request.schedule)
    _check_side("width", request.width)
    _check_side("height", request.height)
    _check_whole("steps", request.steps, STEPS)
    _check_whole("batch count", request.batch_count, BATCH)
    _check_whole("clip skip", request.clip_skip, CLIP_SKIP)
    _check_whole("at once", request.at_once, range(101))
    if not (math.isfinite(request.cfg_scale) and 0 <= request.cfg_scale <= MAX_CFG):
        raise InputError(
            "CFG scale", f"{request.cfg_scale:g}", f"a number from 0 to {MAX_CFG:g}",
            "7 is usual; 1 switches guidance off.",
        )
    if not -1 <= request.seed <= MAX_SEED - request.batch_count:
        raise InputError(
            "seed", f"{request.seed}", "-1 (random) or a number from 0 to 2^63",
            "Leave it at -1 for a new picture each time.",
        )


def check_settings(settings: Settings) -> None:
    """Raise `InputError` for a setting that cannot be used."""
    _check_whole("LoRA cache (MB)", settings.lora_cache_mb, CACHE_MB)


def _check_side(name: str, value: int | None) -> None:
    if value is None:
        return
    if value not in SIDE or value % 8:
        below = min(max(value // 8 * 8, SIDE.start), SIDE.stop - 1)
        above = min(below + 8, SIDE.stop - 1)
        near = f"{below} or {above}" if below != above else f"{below}"
        raise InputError(
            name, f"{value}", f"a multiple of 8 from {SIDE.start} to {SIDE.stop - 1}",
            f"Use {near}.",
        )


def _check_whole(name: str, value: int, allowed: range) -> None:
    if value not in allowed:
        raise InputError(
            name, f"{value}", f"a whole number from {allowed.start} to {allowed.stop - 1}",
            f"Use {min(max(value, allowed.start), allowed.stop - 1)}.",
        )


def check_output(folder: Path) -> None:
    """Make `folder` and prove that a file can be written in it; nothing is left behind."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".loradex-", dir=folder)
        os.close(handle)
        Path(name).unlink()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(
            f"output folder {folder}", f"cannot be written ({reason})", "a writable folder",
            "Choose another one with --output-dir or --out.",
        ) from error
