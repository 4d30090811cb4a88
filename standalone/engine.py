"""A loaded checkpoint at work: networks on, prompts encoded, pictures sampled and written."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from loradex.catalog.folder_networks import NetworkSource
from loradex.catalog.preset_files import PresetFiles, beside
from loradex.errors import InputError, NetworkError
from loradex.manager import LoraManager
from loradex.networks.cache import EngineMemory
from loradex.networks.model import bind_diffusers
from loradex.networks.report import Applied, RunReport
from loradex.prompts.tags import LoraTag

from standalone.checkpoint import load_checkpoint
from standalone.conditioning import (
    Conditioning,
    check_clip_skip,
    encode_prompt,
    negative_conditioning,
    stacked,
)
from standalone.device import pick_device
from standalone.folders import lora_roots
from standalone.generate import Sampling, decode_latents, sample_latents
from standalone.infotext import NetworkHashes, Params, describe
from standalone.model import LoadedModel
from standalone.output import write_numbered, write_png
from standalone.preview import Previewer
from standalone.records import MEGABYTE, GeneratedImage, GenerationRequest, Settings
from standalone.sheet import make_sheet

if TYPE_CHECKING:
    from standalone.session import _Job, _Reporter


Size = tuple[int, int]
"""Width and height in pixels."""


class Made(NamedTuple):
    """What a job came to."""

    images: tuple[GeneratedImage, ...]
    report: RunReport
    messages: tuple[str, ...] = ()
    sheet: Path | None = None


class LoadedEngine:
    """One checkpoint with the networks that are on it."""

    def __init__(self, model: LoadedModel, manager: LoraManager) -> None:
        """`manager` is bound to the model, and the engine's own."""
        self.checkpoint = model.checkpoint
        self._model = model
        self._previewer = Previewer(model)
        self._manager = manager
        self._hashes = NetworkHashes()

    def run(self, job: _Job, say: _Reporter, cancelled: threading.Event | None) -> Made:
        """All pictures of a job, the applied report, and what the user should know."""
        request = job.request
        size = self._size(request)
        note = check_clip_skip(self._model, request.clip_skip)
        if request.compare:
            made = self._compare(job, size, say, cancelled)
        else:
            made = self._generate(job, size, say, cancelled)
        messages = (*self._model.notes, *([note] if note else []), *made.report.remarks())
        return made._replace(messages=messages)

    def _generate(
        self, job: _Job, size: Size, say: _Reporter, cancelled: threading.Event | None
    ) -> Made:
        report = self._apply(job, say)
        made_with = self._describe_networks(job.tags, report)
        say.message("Reading the prompt")
        first = self._sampling(job, size, [self._read(job)])
        move = self._manager.step if self._manager.moves else None

        def picture(index: int) -> GeneratedImage:
            def on_step(step: int, latents: Any) -> None:
                say.step(index + 1, step, "", lambda: self._previewer(latents))

            sampling = replace(first, seed=job.seed + index)
            latents = sample_latents(self._model, sampling, on_step, cancelled, move)
            return self._write(job, sampling, index, latents, made_with)

        return Made(tuple(picture(index) for index in range(job.request.batch_count)), report)

    def _compare(
        self, job: _Job, size: Size, say: _Reporter, cancelled: threading.Event | None
    ) -> Made:
        """One picture for each variant, as many at once as the request says."""
        count = job.request.at_once or len(job.request.compare)
        images: list[GeneratedImage] = []
        rows: list[Applied] = []
        try:
            for first in range(0, len(job.request.compare), count):
                made = self._batch(job, size, first, count, say, cancelled)
                images += made.images
                rows += made.report.applied
        finally:
            self._manager.restore()
        return Made(tuple(images), RunReport(_each_once(rows)), sheet=self._sheet(job, images))

    def _batch(
        self, job: _Job, size: Size, first: int, count: int, say: _Reporter,
        cancelled: threading.Event | None,
    ) -> Made:
        variants = job.request.compare[first : first + count]
        tags = [(*job.tags, *one.tags) for one in variants]
        run = self._manager.use_each(tags, strict=job.request.strict)
        say.message("Reading the prompt")
        read = []
        for index in range(len(variants)):
            run.encode(index)
            read.append(self._read(job))
        reports = run.draw()
        sampling = self._sampling(job, size, read)
        move = self._manager.step if self._manager.moves else None

        def on_step(step: int, latents: Any) -> None:
            say.step(first // count + 1, step, "", lambda: self._previewer(latents))

        latents = sample_latents(self._model, sampling, on_step, cancelled, move)
        images = [
            self._write(job, sampling, first + index, latents[index : index + 1],
                        self._describe_networks(tags[index], reports[index]), variant.text)
            for index, variant in enumerate(variants)
        ]
        return Made(tuple(images), RunReport(tuple(
            row for report in reports for row in report.applied)))

    def _sheet(self, job: _Job, images: Sequence[GeneratedImage]) -> Path:
        """All pictures on one, where `--out` says or with the next free number."""
        labels = [variant.label for variant in job.request.compare]
        sheet = make_sheet([(label, one.image) for label, one in
                            zip(labels, images, strict=True)])
        text = f"{job.request.prompt}\nCompared: {', '.join(labels)}"
        if job.out is not None:
            return write_png(sheet, text, job.out)
        return write_numbered(sheet, text, job.folder, job.seed)

    def _read(self, job: _Job) -> tuple[Conditioning, Conditioning | None]:
        """Both prompts as the text encoders understand them now."""
        request = job.request
        positive = encode_prompt(self._model, job.prompt, request.clip_skip)
        if request.cfg_scale == 1.0:
            return positive, None
        return positive, negative_conditioning(
            self._model, request.negative_prompt, request.clip_skip, positive)

    def _sampling(
        self, job: _Job, size: Size, read: Sequence[tuple[Conditioning, Conditioning | None]]
    ) -> Sampling:
        """What a batch is drawn from: one row of the conditionings per picture."""
        request = job.request
        negatives = [negative for _, negative in read if negative is not None]
        return Sampling(
            stacked([positive for positive, _ in read]), stacked(negatives) if negatives else None,
            request.sampler, request.schedule, request.steps, request.cfg_scale, *size, job.seed)

    def memory(self) -> EngineMemory:
        """What the networks hold beside the checkpoint."""
        return self._manager.memory()

    def release_memory(self) -> int:
        """Give back what only makes later pictures faster; the bytes."""
        return self._manager.release_unused()

    def close(self) -> None:
        """Take the networks off, so that nothing holds the weights."""
        self._manager.close()

    def _size(self, request: GenerationRequest) -> Size:
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

    def _describe_networks(self, tags: Sequence[LoraTag], report: RunReport) -> Params:
        """The infotext's share of the networks; a file that vanished since has no hash."""
        paths = {}
        left_out = {row.name for row in report.applied if row.skipped}
        for tag in tags:
            if tag.name in left_out:
                continue
            with contextlib.suppress(NetworkError):
                file = self._manager.resolve(tag.name)
                paths[file.id] = file.path
        return report.infotext({
            row.id: self._hashes.of(paths[row.id]) for row in report.applied if row.id in paths})

    def _write(
        self, job: _Job, sampling: Sampling, index: int, latents: Any, networks: Params,
        more: str = "",
    ) -> GeneratedImage:
        """Decode and write one picture; `more` stands behind the prompt in its infotext."""
        image = decode_latents(self._model, latents)
        request = job.request
        if more:
            request = replace(request, prompt=f"{request.prompt} {more}")
        text = describe(request, self._model, sampling, networks)
        place = job.place(index)
        if place is None:
            path = write_numbered(image, text, job.folder, sampling.seed)
        else:
            path = write_png(image, text, place)
        return GeneratedImage(image, sampling.seed, text, path)


def _each_once(rows: Sequence[Applied]) -> tuple[Applied, ...]:
    """A network that several pictures have in the same way is one row, with all their time."""
    found: dict[object, Applied] = {}
    for row in rows:
        key = (row.id, row.name, row.te_strength, row.unet_strength, row.options, row.skipped)
        known = found.get(key)
        found[key] = row if known is None else replace(known, seconds=known.seconds + row.seconds)
    return tuple(found.values())


def load_engine(checkpoint: str, settings: Settings, networks: NetworkSource) -> LoadedEngine:
    """Load a checkpoint on the device that the settings mean."""
    device = pick_device(settings.device)
    model = load_checkpoint(checkpoint, device, settings.dtype, settings.offload)
    folders = lora_roots(checkpoint, settings.lora_dirs)
    given = () if settings.presets is None else (settings.presets,)
    manager = LoraManager(
        cache_bytes=settings.lora_cache_mb * MEGABYTE, source=networks,
        presets=PresetFiles(lambda: (*beside(folders), *given)), base_memory=settings.base_memory,
    )
    encoders = [encoder.model for encoder in model.text_encoders]
    manager.bind(bind_diffusers(model.unet, encoders, model.title, device.type))
    return LoadedEngine(model, manager)
