"""What a checkpoint is, from its header or its configurations; no tensors, no torch."""

from __future__ import annotations

from pathlib import Path

from loradex.compat.checkpoint_facts import CheckpointFacts
from loradex.compat.checkpoint_file import classify_file
from loradex.compat.checkpoint_folder import classify_folder
from loradex.errors import FileError

__all__ = ["CheckpointFacts", "classify_checkpoint"]


def classify_checkpoint(path: Path) -> CheckpointFacts:
    """The facts of a single file (safetensors, or a pickle's names) or of a diffusers folder.

    Raises:
        FileError: there is nothing at that path, or it cannot be read.
    """
    if path.is_dir():
        return classify_folder(path)
    if not path.exists():
        raise FileError(path.name, "there is no such file", "a checkpoint", "Check the path.",
                        code="not-found")
    return classify_file(path)
