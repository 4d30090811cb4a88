"""The infotext of a picture: everything that is needed to make it again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import loradex
from loradex.files.hashes import hash_file
from loradex.prompts.infotext import format_lora_hashes, write_infotext

from standalone.generate import Sampling
from standalone.model import LoadedModel
from standalone.records import GenerationRequest
from standalone.samplers import resolve_sampler

if TYPE_CHECKING:
    from loradex.networks.report import Applied, RunReport

Params = Mapping[str, object]


class NetworkHashes:
    """The hashes that infotexts carry; each state of a file is read once."""

    def __init__(self) -> None:
        self._known: dict[tuple[Path, int, int], str] = {}

    def of(self, path: Path) -> str:
        stat = path.stat()
        key = (path, stat.st_size, stat.st_mtime_ns)
        if key not in self._known:
            self._known[key] = hash_file(path).lora_hash
        return self._known[key]


def describe(
    request: GenerationRequest, model: LoadedModel, sampling: Sampling, networks: Params
) -> str:
    """The infotext in the WebUI's form, with what was applied."""
    sampler, schedule = resolve_sampler(request.sampler, request.schedule)
    return write_infotext(request.prompt, request.negative_prompt, {
        "Steps": request.steps,
        "Sampler": sampler.name,
        "Schedule type": schedule,
        "CFG scale": request.cfg_scale,
        "Seed": sampling.seed,
        "Size": f"{sampling.width}x{sampling.height}",
        "Model": model.name,
        "Clip skip": request.clip_skip if request.clip_skip > 1 else None,
        **networks,
        "Version": f"Loradex {loradex.__version__}",
    })


def network_params(report: RunReport, hashes: Mapping[str, str]) -> Params:
    """What a picture says of its networks: their hashes by name, and how much was applied.

    `hashes` are by network id; networks that were skipped or are off made no difference and are
    not listed as used.
    """
    used = [row for row in report.applied if row.components and not row.skipped]
    listed = [(row.name, hashes[row.id]) for row in used if row.id in hashes]
    return {
        "Lora hashes": format_lora_hashes(listed) or None,
        "Loradex": ", ".join(f"{row.name} {_share(row)}" for row in used) or None,
    }


def _share(row: Applied) -> str:
    counts = row.components.values()
    return f"{sum(c.matched for c in counts)}/{sum(c.total for c in counts)}"


def remarks(report: RunReport) -> list[str]:
    """What a user must know even where the report is not shown: misses, and what was left out."""
    found: list[str] = []
    for row in report.applied:
        if row.skipped:
            found.append(row.line())
        found += [f"{row.name}: {note}" for note in row.notes]
    return found + list(report.notes)
