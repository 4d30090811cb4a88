"""The infotext of a picture: everything that is needed to make it again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import loradex
from loradex.files.hashes import hash_file
from loradex.prompts.infotext import write_infotext

from standalone.generate import Sampling
from standalone.model import LoadedModel
from standalone.records import GenerationRequest
from standalone.samplers import resolve_sampler

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
