"""Adds the folder of LoRA files to the command line, also where the extension is disabled."""

from pathlib import Path
from typing import Any

from modules import paths


def preload(parser: Any) -> None:
    parser.add_argument("--lora-dir", default=str(Path(paths.models_path) / "Lora"))
    parser.add_argument("--lyco-dir-backcompat", default=str(Path(paths.models_path) / "LyCORIS"))
