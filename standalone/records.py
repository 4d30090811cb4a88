"""What a run is asked for, what it reports while it goes on, and what it gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from standalone.comparison import Variant

if TYPE_CHECKING:
    from loradex.networks.report import RunReport
    from loradex.networks.residency import BaseMemory
    from PIL.Image import Image

    from standalone.placing import Offload

DEMO = "demo"
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Settings:
    """What stays the same for a whole session.

    No `lora_dirs` means the defaults: the demo's folder with the demo checkpoint, and
    `models/Lora` below the working directory where it exists.
    """

    device: str | None = None
    dtype: str | None = None
    lora_dirs: tuple[Path, ...] = ()
    output_dir: Path = Path("outputs")
    checkpoint_dirs: tuple[Path, ...] = (Path("models/Stable-diffusion"),)
    presets: Path | None = None
    """A file of block weights by name, over those that lie in the LoRA folders."""
    home: Path | None = None
    """Where the index is kept; the account's folder for program data without it."""
    lora_cache_mb: int = 2048
    """Memory for LoRA files; those of the prompt are kept whatever they take."""
    offload: Offload = "auto"
    """Whether the parts of a checkpoint take turns on the device: `auto`, `on` or `off`."""
    base_memory: BaseMemory = "auto"
    """Where the checkpoint's own values of changed weights stay: `auto`, `device` or `host`."""


@dataclass(frozen=True)
class GenerationRequest:
    """One run: `batch_count` pictures of one prompt, one after another.

    `width` and `height` of None mean the checkpoint's own size; `seed` -1 means a random one.
    """

    prompt: str
    negative_prompt: str = ""
    checkpoint: str = DEMO
    sampler: str = "Euler a"
    schedule: str = "Automatic"
    steps: int = 20
    cfg_scale: float = 7.0
    width: int | None = None
    height: int | None = None
    seed: int = -1
    batch_count: int = 1
    clip_skip: int = 1
    strict: bool = False
    compare: tuple[Variant, ...] = ()
    """With several, one picture for each, all with the same seed and as one batch."""
    at_once: int = 0
    """How many of these pictures go through the model together; 0 is all."""

    @property
    def images(self) -> int:
        """How many pictures it makes."""
        return len(self.compare) or self.batch_count

    @property
    def rounds(self) -> int:
        """How many times it goes through all steps."""
        return -(-self.images // (self.at_once or self.images)) if self.compare else self.images


@dataclass(frozen=True)
class Progress:
    """Where a run is; `image` and `step` count from 1, and are 0 before the first one.

    `preview` gives the picture so far and costs time only where it is called; call it from
    inside the progress callback, while the latents are still those of this step.
    """

    image: int
    images: int
    step: int
    steps: int
    message: str = ""
    preview: Callable[[], Image] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class GeneratedImage:
    """One finished picture and the file it is in."""

    image: Image
    seed: int
    infotext: str
    path: Path


@dataclass(frozen=True)
class GenerationResult:
    """All pictures of a run, what was applied, and what the user should know."""

    images: tuple[GeneratedImage, ...]
    report: RunReport
    seconds: float
    messages: tuple[str, ...] = ()
    sheet: Path | None = None
    """All pictures of a comparison on one."""
    labels: tuple[str, ...] = ()
    """What each picture of a comparison has."""


ProgressCallback = Callable[[Progress], None]
