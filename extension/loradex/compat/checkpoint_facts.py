"""What is known of a checkpoint before its tensors are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from loradex.compat.admission import Confidence
from loradex.keys.architecture import Architecture


@dataclass(frozen=True)
class CheckpointFacts:
    """A checkpoint by its header, or a diffusers folder by its configurations.

    `components` are the tables of what is really there, by the names of a loaded model (`unet` or
    `transformer`, `te`, `te2` ...). `assumed` are the usual text encoders of its family that the
    file does not carry: whoever loads it takes them from elsewhere. `prediction_type` is
    `epsilon`, `v_prediction`, `flow`, `edm` or '' where nothing tells. `not_a_checkpoint` is empty
    or says what the file is instead.
    """

    path: Path
    name: str
    family: str = ""
    variant: str = ""
    title: str = ""
    prediction_type: str = ""
    confidence: Confidence = "unknown"
    evidence: tuple[str, ...] = ()
    components: Mapping[str, Architecture] = field(default_factory=dict)
    assumed: Mapping[str, Architecture] = field(default_factory=dict)
    not_a_checkpoint: str = ""
