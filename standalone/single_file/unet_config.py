"""The diffusers configuration of a UNet, read off the shapes of its original layout."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Shapes = Mapping[str, tuple[int, ...]]
_SAMPLE_SIZE = {"sd1": 64, "sd2": 64, "sdxl": 128}
"""Latents of the training pictures: 512, 512 (768 for the v models) and 1024 pixels."""


@dataclass
class _Level:
    """One resolution: its width, and the transformer blocks after each residual block."""

    channels: int = 0
    depths: list[int] = field(default_factory=list)


class _Blocks:
    """The blocks of one UNet by their original names."""

    def __init__(self, shapes: Shapes, prefix: str) -> None:
        self._shapes = {name[len(prefix):]: shape for name, shape in shapes.items()
                        if name.startswith(prefix)}

    def get(self, name: str) -> tuple[int, ...] | None:
        return self._shapes.get(name)

    def width(self, block: str) -> int | None:
        """Output channels of a residual block; None where `block` is none."""
        shape = self._shapes.get(f"{block}.0.out_layers.3.weight")
        return shape[0] if shape else None

    def depth(self, attention: str) -> int:
        """How many transformer blocks an attention has; 0 where there is no attention."""
        pattern = re.compile(re.escape(attention) + r"\.transformer_blocks\.(\d+)\.")
        found = (pattern.match(name) for name in self._shapes)
        return len({match[1] for match in found if match})

    def first(self, ending: str) -> tuple[int, ...] | None:
        return next((s for name, s in self._shapes.items() if name.endswith(ending)), None)


def unet_config(shapes: Shapes, prefix: str, family: str) -> dict[str, Any] | None:
    """The configuration for `UNet2DConditionModel`; None where the layout is not the usual one."""
    blocks = _Blocks(shapes, prefix)
    levels = _walk_down(blocks)
    entry = blocks.get("input_blocks.0.0.weight")
    context, projection = blocks.first("attn2.to_k.weight"), blocks.first("proj_in.weight")
    exit_ = blocks.get("out.2.weight")
    if not (entry and context and projection and exit_):
        return None
    counts = {len(level.depths) for level in levels}
    if len(counts) != 1:
        return None
    channels = tuple(level.channels for level in levels)
    attends = [any(level.depths) for level in levels]
    resnets = counts.pop()
    return {
        "sample_size": _SAMPLE_SIZE[family], "in_channels": entry[1], "out_channels": exit_[0],
        "block_out_channels": channels, "layers_per_block": resnets,
        "down_block_types": tuple("CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attends),
        "up_block_types": tuple(
            "CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)),
        "cross_attention_dim": context[1],
        "use_linear_projection": len(projection) == 2,
        # diffusers' name is a known misnomer: it counts heads. SD 1.x has 8 everywhere, the
        # later families have heads of 64.
        "attention_head_dim": 8 if family == "sd1" else tuple(c // 64 for c in channels),
        **_depths(blocks, levels, resnets),
    }


def _walk_down(blocks: _Blocks) -> list[_Level]:
    levels, level, number = [], _Level(), 1
    while True:
        block = f"input_blocks.{number}"
        width = blocks.width(block)
        if width is not None:
            level.channels = width
            level.depths.append(blocks.depth(f"{block}.1"))
        elif blocks.get(f"{block}.0.op.weight"):
            levels.append(level)
            level = _Level()
        else:
            return [*levels, level] if level.depths else []
        number += 1


def _depths(blocks: _Blocks, levels: list[_Level], resnets: int) -> dict[str, Any]:
    """Transformer depths of the way down, the middle and the way up.

    diffusers takes the middle's depth from the last level, and the way up from the way down
    unless it is told otherwise (SSD-1B).
    """
    middle = blocks.depth("middle_block.1")
    down = [level.depths for level in levels]
    if not any(down[-1]):
        down[-1] = [middle or 1] * resnets
    down = [depths if any(depths) else [1] * resnets for depths in down]
    up = _up_depths(blocks, len(levels), resnets)
    config: dict[str, Any] = {"transformer_layers_per_block": tuple(map(_plain, down))}
    usual = [[depths[0]] * (resnets + 1) for depths in reversed(down)]
    if any(there and there != want for there, want in zip(up, usual, strict=True)):
        config["reverse_transformer_layers_per_block"] = tuple(
            _plain(there or want) for there, want in zip(up, usual, strict=True))
    if not middle:
        config["mid_block_type"] = "UNetMidBlock2D"
    return config


def _up_depths(blocks: _Blocks, levels: int, resnets: int) -> list[list[int]]:
    """The depths of each level on the way up, [] where the level does not attend."""
    found = []
    for level in range(levels):
        start = level * (resnets + 1)
        depths = [blocks.depth(f"output_blocks.{start + i}.1") for i in range(resnets + 1)]
        found.append(depths if any(depths) else [])
    return found


def _plain(depths: list[int]) -> int | list[int]:
    return depths[0] if len(set(depths)) == 1 else depths
