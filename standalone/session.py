"""One user's work on one machine: at most one loaded checkpoint, one generation at a time."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loradex.errors import InputError, LoradexError
from loradex.networks.cache import EngineMemory
from loradex.prompts.tags import LoraTag, extract_tags, foreign_tags

from standalone.catalogs import Catalogs
from standalone.folders import lora_roots
from standalone.limits import check_output, check_request, check_settings
from standalone.records import (
    DEMO,
    MEGABYTE,
    GeneratedImage,
    GenerationRequest,
    GenerationResult,
    Progress,
    ProgressCallback,
    Settings,
)

if TYPE_CHECKING:
    from loradex.catalog.catalog import Catalog
    from loradex.catalog.network_file import NetworkFile

    from standalone.engine import LoadedEngine

__all__ = [
    "DEMO", "GeneratedImage", "GenerationRequest", "GenerationResult", "Progress", "Session",
    "Settings",
]

_WAIT_SECONDS = 0.1


@dataclass(frozen=True)
class _Job:
    """A checked request with everything that was decided before the first step."""

    request: GenerationRequest
    prompt: str
    """The prompt without its LoRA tags."""
    tags: tuple[LoraTag, ...]
    seed: int
    folder: Path
    out: Path | None

    def place(self, index: int) -> Path | None:
        """The file for image `index`, from 0; None means the next free number in `folder`.

        With several pictures `out` itself is the sheet of a comparison.
        """
        if self.out is None or self.request.images == 1:
            return self.out
        return self.out.with_name(f"{self.out.stem}-{index + 1}{self.out.suffix}")


class Session:
    """Runs requests; safe to call from several threads, which then wait for each other."""

    def __init__(self, settings: Settings | None = None, *, live: bool = False) -> None:
        """With `live` the folders are watched and files are hashed while nothing is generated."""
        self.settings = settings or Settings()
        check_settings(self.settings)
        self.catalogs = Catalogs(self.settings.home, live=live)
        self._lock = threading.Lock()
        self._engine: LoadedEngine | None = None
        self._chosen = DEMO
        self._last: Mapping[str, Any] = {}

    @property
    def chosen(self) -> str:
        """The checkpoint that the next picture is made with, as far as is known."""
        return self._chosen

    @property
    def last_report(self) -> Mapping[str, Any]:
        """What the last generation applied, as plain data; empty before the first one."""
        return self._last

    def memory(self) -> EngineMemory:
        """What LoRAs hold in memory; answered at once, also while a picture is made."""
        engine = self._engine
        budget = self.settings.lora_cache_mb * MEGABYTE
        return EngineMemory(budget_bytes=budget) if engine is None else engine.memory()

    def release_memory(self) -> int:
        """Gives back what only makes later pictures faster; returns the bytes."""
        engine = self._engine
        return 0 if engine is None else engine.release_memory()

    def choose(self, checkpoint: str) -> None:
        """Note which checkpoint the user turned to; it is loaded when a picture is made."""
        self._chosen = checkpoint

    def generate(
        self,
        request: GenerationRequest,
        on_progress: ProgressCallback | None = None,
        cancelled: threading.Event | None = None,
        out: Path | None = None,
    ) -> GenerationResult:
        """Make the pictures of `request` and write them.

        `out` names the file (with several pictures: `NAME-1.png`, `NAME-2.png` ...), which is
        replaced if it exists; without it the next free number in the output folder is taken.

        Raises:
            LoradexError: bad input, a file that cannot be used, cancelled; nothing half-written.
        """
        job = self._check(request, out)
        say = _Reporter(on_progress, request)
        self._wait_for_turn(say, cancelled)
        try:
            with self.catalogs.paused():
                return self._run(job, say, cancelled)
        finally:
            self._lock.release()

    def networks(self, checkpoint: str = DEMO) -> tuple[NetworkFile, ...]:
        """The networks that tags can name while `checkpoint` is used."""
        return self.catalog(checkpoint).files()

    def catalog(self, checkpoint: str = DEMO) -> Catalog:
        """What is known of the networks that tags can name while `checkpoint` is used."""
        return self.catalogs.of(self.lora_roots(checkpoint))

    def checkpoints(self) -> tuple[str, ...]:
        """What can be named as a checkpoint without typing a path: the demo and what is found."""
        from standalone.checkpoint import list_checkpoints

        return (DEMO, *list_checkpoints(self.settings.checkpoint_dirs))

    def lora_roots(self, checkpoint: str = DEMO) -> tuple[Path, ...]:
        """The given LoRA folders, else the demo's (with the demo) and `models/Lora`."""
        return lora_roots(checkpoint, self.settings.lora_dirs)

    def close(self) -> None:
        """Take every LoRA off and let the checkpoint go; waits for a running generation."""
        with self._lock:
            self._drop()
        self.catalogs.close()

    def _check(self, request: GenerationRequest, out: Path | None) -> _Job:
        """All checks that need no model, in the order in which a user would fix them."""
        check_request(request)
        prompt, tags = extract_tags(request.prompt)
        for root in self.settings.lora_dirs:
            if not root.is_dir():
                raise InputError(f"LoRA folder {root}", "no such folder", "a folder",
                                 "Check --lora-dir.")
        if self.settings.presets is not None and not self.settings.presets.is_file():
            raise InputError(f"presets {self.settings.presets}", "no such file",
                             "a text file of lines NAME:1,0,0.5,...", "Check --presets.")
        from standalone.checkpoint import locate_checkpoint

        locate_checkpoint(request.checkpoint)
        folder = self.settings.output_dir
        if out is not None:
            _check_out(out)
            folder = out.parent
        check_output(folder)
        seed = secrets.randbelow(2**32) if request.seed < 0 else request.seed
        return _Job(request, prompt, tags, seed, folder, out)

    def _wait_for_turn(self, say: _Reporter, cancelled: threading.Event | None) -> None:
        from standalone.generate import check_cancelled

        if self._lock.acquire(blocking=False):
            return
        say.message("Waiting for the running generation to end")
        while not self._lock.acquire(timeout=_WAIT_SECONDS):
            check_cancelled(cancelled)

    def _run(
        self, job: _Job, say: _Reporter, cancelled: threading.Event | None
    ) -> GenerationResult:
        started = time.perf_counter()
        engine = self._load(job.request.checkpoint, say)
        try:
            result = engine.run(job, say, cancelled)
        except LoradexError:
            raise
        except Exception as error:
            if not _is_out_of_memory(error):
                raise
            self._drop()
            raise _out_of_memory(job.request) from error
        images, report, messages, sheet = result
        self._last = {**report.as_dict(), "stopped": "", "time": round(time.time(), 3)}
        messages = (*messages, *_unheeded(job))
        return GenerationResult(images, report, time.perf_counter() - started, messages, sheet,
                                tuple(one.label for one in job.request.compare))

    def _load(self, checkpoint: str, say: _Reporter) -> LoadedEngine:
        from standalone.engine import load_engine

        self.choose(checkpoint)
        if self._engine is None or self._engine.checkpoint != checkpoint:
            # Dropped first: two checkpoints would not fit into the memory of many machines.
            self._drop()
            say.message(f"Loading {checkpoint}")
            self._engine = load_engine(checkpoint, self.settings, self.catalog(checkpoint))
        return self._engine

    def _drop(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()


class _Reporter:
    """Sends progress of one request; does nothing where nobody listens."""

    def __init__(self, callback: ProgressCallback | None, request: GenerationRequest) -> None:
        self._callback = callback
        self._images = request.rounds
        self._steps = request.steps

    def message(self, text: str) -> None:
        self.step(0, 0, text)

    def step(self, image: int, step: int, text: str = "", preview: Any = None) -> None:
        if self._callback is not None:
            self._callback(Progress(image, self._images, step, self._steps, text, preview))


def _check_out(out: Path) -> None:
    if out.suffix.lower() != ".png":
        raise InputError(f"--out {out}", f"ends with '{out.suffix}'", "a name ending with .png",
                         "Pictures are written as PNG with their infotext.")
    if out.is_dir():
        raise InputError(f"--out {out}", "a folder", "the name of a file",
                         "Use --output-dir for a folder.")


def _unheeded(job: _Job) -> tuple[str, ...]:
    """What the prompt asks for that nothing here does: other tools' tags and their values."""
    others = [f"{text}: tags of this kind have no effect here; the text was left out"
              for text in foreign_tags(job.request.prompt)]
    values = [f"{tag.text}: {', '.join(tag.unknown)} has no effect here"
              for tag in job.tags if tag.unknown]
    passes = [f"{tag.text}: hr= has no effect here, where there is no second pass"
              for tag in job.tags if tag.schedule is not None and tag.schedule.for_hires]
    return (*others, *values, *passes)


def _is_out_of_memory(error: Exception) -> bool:
    """The one foreign error that is the user's to solve; each device has words of its own."""
    text = str(error).lower()
    return type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and ("out of memory" in text or "can't allocate memory" in text))


def _out_of_memory(request: GenerationRequest) -> LoradexError:
    size = f"{request.width or 'default'}x{request.height or 'default'}"
    return LoradexError(
        "generation", f"the device ran out of memory at {size}", "a picture that fits",
        "Use a smaller size, close other programs, or use --device cpu.", code="memory",
    )
