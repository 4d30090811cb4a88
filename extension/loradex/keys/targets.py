"""The records that every other part speaks in: what a file names and where that goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal

Shape = tuple[int, ...]
Tree = Literal["diffusers", "native"]
"""Which names a model's modules carry: diffusers/transformers, or LDM, sgm, BFL and open_clip."""


class Kind(str, Enum):
    """What a weight belongs to; decides which network types may touch it."""

    LINEAR = "linear"
    CONV = "conv"
    NORM = "norm"
    EMBEDDING = "embedding"


@dataclass(frozen=True)
class Rows:
    """A range of rows (dimension 0) of a weight: `start` included, `stop` not."""

    start: int
    stop: int

    @property
    def count(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class FileModule:
    """One trained module as a file names it, with its tensors by role.

    `component` is `denoiser`, `te`, `te2` or `te3`, or empty where the key does not tell; parts
    that no image model here has are `motion` (AnimateDiff) and `denoiser2` (a second expert).
    `name` is the module's name in the file with every dot flattened to an underscore and the
    prefix and suffix cut (`down_blocks_0_attentions_0_proj_in`).
    `parts` maps a role (`up`, `down`, `alpha`, `hada_w1_a` ...) to the tensor's full key.
    """

    component: str
    name: str
    layout: str
    parts: Mapping[str, str]


@dataclass(frozen=True)
class Target:
    """Where (a part of) one module's delta goes in a model.

    `component` and `module` name the model's module (`unet`, `down_blocks.0...to_q`).
    `rows` are the rows of the model's weight that are written, `delta_rows` the rows of the
    network module's delta that go there; `None` means all of them.
    `shape` is the shape of the written region, so `shape[0] == rows.count` where rows are given.
    `parameter` is the tensor's name in the module (`in_proj_weight` in open_clip); `transposed`
    tells that it is stored [in, out] while `shape` and the rows are those of [out, in].
    """

    component: str
    module: str
    kind: Kind
    shape: Shape
    rows: Rows | None = None
    delta_rows: Rows | None = None
    parameter: str = "weight"
    transposed: bool = False
