"""The narrow checkpoints of the suite, and a WebUI started with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.real_webui.host import DataFolder, Installation, RunningWebUI

MAKER = Path(__file__).resolve().parent / "make_checkpoints.py"
KINDS = ("narrow-sd1", "narrow-sd1-other", "narrow-inpaint", "narrow-sd2", "narrow-sdxl")
SD1, OTHER, INPAINT, SD2, SDXL = (f"{kind}.safetensors" for kind in KINDS)


@dataclass(frozen=True)
class Models:
    """A folder of checkpoints and what the WebUI must be told of their text encoders."""

    folder: Path
    encoders: Path

    @property
    def variables(self) -> dict[str, str]:
        return {"LORADEX_PROBE_ENCODERS": str(self.encoders / "open_clip"),
                "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


def make_models(
    installation: Installation, folder: Path, kinds: tuple[str, ...] = KINDS
) -> Models:
    made = Models(folder / "checkpoints", folder / "encoders")
    installation.run(MAKER, str(made.folder), str(made.encoders), *kinds)
    return made


def start(
    installation: Installation, models: Models, data: DataFolder, *arguments: str,
    checkpoint: str = SD1,
) -> RunningWebUI:
    """To be entered: `with start(...) as host`."""
    return RunningWebUI(
        installation, data, models.folder / checkpoint,
        ("--ckpt-dir", str(models.folder), *arguments), models.variables,
    )
