"""A loaded checkpoint at work: networks on, prompts encoded, pictures sampled and written."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from loradex.catalog.folder_networks import NetworkSource
from loradex.catalog.preset_files import PresetFiles, beside
from loradex.errors import InputError, NetworkError
from loradex.manager import LoraManager
from loradex.networks.cache import EngineMemory
from loradex.networks.model import bind_diffusers
from loradex.networks.report import RunReport

from standalone.checkpoint import load_checkpoint
from standalone.conditioning import check_clip_skip, encode_prompt, negative_conditioning
from standalone.device import pick_device
from standalone.folders import lora_roots
from standalone.generate import Sampling, decode_latents, sample_latents
from standalone.infotext import NetworkHashes, Params, describe
from standalone.model import LoadedModel
from standalone.output import write_numbered, write_png
from standalone.preview import Previewer
from standalone.records import MEGABYTE, GeneratedImage, GenerationRequest, Settings

if TYPE_CHECKING:
    from standalone.session import _Job, _Reporter


class LoadedEngine:
    """One checkpoint with the networks that are on it."""

    def __init__(self, model: LoadedModel, manager: LoraManager) -> None:
        """`manager` is bound to the model, and the engine's own."""
        self.checkpoint = model.checkpoint
        self._model = model
        self._previewer = Previewer(model)
        self._manager = manager
        self._hashes = NetworkHashes()

    def run(
        self, job: _Job, say: _Reporter, cancelled: threading.Event | None
    ) -> tuple[tuple[GeneratedImage, ...], RunReport, tuple[str, ...]]:
        """All pictures of a job, the applied report, and what the user should know."""
        request = job.request
        width, height = self._size(request)
        note = check_clip_skip(self._model, request.clip_skip)
        report = self._apply(job, say)
        made_with = self._describe_networks(job, report)
        messages = [*self._model.notes, *([note] if note else []), *report.remarks()]
        say.message("Reading the prompt")
        positive = encode_prompt(self._model, job.prompt, request.clip_skip)
        negative = None
        if request.cfg_scale != 1.0:
            negative = negative_conditioning(
                self._model, request.negative_prompt, request.clip_skip, positive)
        first = Sampling(positive, negative, request.sampler, request.schedule, request.steps,
                         request.cfg_scale, width, height, job.seed)
        images = tuple(
            self._make(job, replace(first, seed=job.seed + index), index, made_with, say, cancelled)
            for index in range(request.batch_count)
        )
        return images, report, tuple(messages)

    def memory(self) -> EngineMemory:
        """What the networks hold beside the checkpoint."""
        return self._manager.memory()

    def release_memory(self) -> int:
        """Give back what only makes later pictures faster; the bytes."""
        return self._manager.release_unused()

    def close(self) -> None:
        """Take the networks off, so that nothing holds the weights."""
        self._manager.close()

    def _size(self, request: GenerationRequest) -> tuple[int, int]:
        side = self._model.default_side
        width, height = request.width or side, request.height or side
        factor = self._model.vae_factor
        if width % factor or height % factor:
            raise InputError("size", f"{width}x{height}", f"multiples of {factor}",
                             "This checkpoint's VAE needs them.")
        return width, height

    def _apply(self, job: _Job, say: _Reporter) -> RunReport:
        if job.tags:
            say.message("Applying networks")
        return self._manager.use(job.tags, strict=job.request.strict)

    def _describe_networks(self, job: _Job, report: RunReport) -> Params:
        """The infotext's share of the networks; a file that vanished since has no hash."""
        paths = {}
        left_out = {row.name for row in report.applied if row.skipped}
        for tag in job.tags:
            if tag.name in left_out:
                continue
            with contextlib.suppress(NetworkError):
                file = self._manager.resolve(tag.name)
                paths[file.id] = file.path
        return report.infotext({
            row.id: self._hashes.of(paths[row.id]) for row in report.applied if row.id in paths})

    def _make(
        self, job: _Job, sampling: Sampling, index: int, networks: Params, say: _Reporter,
        cancelled: threading.Event | None,
    ) -> GeneratedImage:
        """Sample, decode and write one picture."""
        def on_step(step: int, latents: Any) -> None:
            say.step(index + 1, step, "", lambda: self._previewer(latents))

        move = self._manager.step if self._manager.moves else None
        latents = sample_latents(self._model, sampling, on_step, cancelled, move)
        image = decode_latents(self._model, latents)
        text = describe(job.request, self._model, sampling, networks)
        place = job.place(index)
        if place is None:
            path = write_numbered(image, text, job.folder, sampling.seed)
        else:
            path = write_png(image, text, place)
        return GeneratedImage(image, sampling.seed, text, path)


def load_engine(checkpoint: str, settings: Settings, networks: NetworkSource) -> LoadedEngine:
    """Load a checkpoint on the device that the settings mean."""
    device = pick_device(settings.device)
    model = load_checkpoint(checkpoint, device, settings.dtype)
    folders = lora_roots(checkpoint, settings.lora_dirs)
    given = () if settings.presets is None else (settings.presets,)
    manager = LoraManager(
        cache_bytes=settings.lora_cache_mb * MEGABYTE, source=networks,
        presets=PresetFiles(lambda: (*beside(folders), *given)),
    )
    encoders = [encoder.model for encoder in model.text_encoders]
    manager.bind(bind_diffusers(model.unet, encoders, model.title))
    return LoadedEngine(model, manager)
