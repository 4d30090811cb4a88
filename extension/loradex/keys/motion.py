"""The table of AnimateDiff's motion modules in diffusers' and in AnimateDiff's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loradex.keys.architecture import Architecture, Builder
from loradex.keys.derivation import Derivation

# Defaults of diffusers' MotionAdapter: AnimateDiff v2 for SD1.
_DEFAULTS: Mapping[str, Any] = {
    "block_out_channels": (320, 640, 1280, 1280),
    "motion_layers_per_block": 2,
    "motion_transformer_layers_per_block": 1,
    "motion_mid_block_layers_per_block": 1,
    "motion_transformer_layers_per_mid_block": 1,
    "use_motion_mid_block": True,
    "conv_in_channels": None,
}
# AnimateDiff's two attentions look at the frames only, so no width of a text encoder is in it.
_ATTENTIONS = (("norm1", "norms.0", "attn1", "attention_blocks.0"),
               ("norm2", "norms.1", "attn2", "attention_blocks.1"))


def motion_architecture(config: Mapping[str, Any]) -> Architecture:
    """The table of the modules in diffusers' MotionAdapter.

    The table of positions (`pe`) is a buffer and no target.
    """
    full = {**_DEFAULTS, **config}
    out = Builder()
    channels = tuple(int(one) for one in full["block_out_channels"])
    if full["conv_in_channels"]:
        out.conv("conv_in", "conv_in", channels[0], int(full["conv_in_channels"]))
    layers = _each(full["motion_layers_per_block"], len(channels))
    depths = _each(full["motion_transformer_layers_per_block"], len(channels))
    if full["use_motion_mid_block"]:
        count = int(full["motion_mid_block_layers_per_block"])
        _block(out, "mid_block", channels[-1], count,
               full["motion_transformer_layers_per_mid_block"])
    for index, width in enumerate(channels):
        _block(out, f"down_blocks.{index}", width, layers[index], depths[index])
    for index, width in enumerate(reversed(channels)):
        level = len(channels) - 1 - index
        _block(out, f"up_blocks.{index}", width, layers[level] + 1, depths[level])
    return Architecture(
        id="motion", component="motion", leaves=tuple(out.leaves),
        features={"channels": channels[0], "levels": len(channels)},
    )


def _each(value: Any, count: int) -> tuple[Any, ...]:
    return (value,) * count if isinstance(value, int) else tuple(value)


def _block(out: Builder, block: str, width: int, layers: int, depth: Any) -> None:
    for index, blocks in enumerate(_each(depth, layers)):
        module = f"{block}.motion_modules.{index}"
        native = f"{module}.temporal_transformer"
        out.norm(f"{module}.norm", f"{native}.norm", width)
        out.linear(f"{module}.proj_in", f"{native}.proj_in", width, width)
        for number in range(blocks):
            inside = f"transformer_blocks.{number}"
            _transformer(out, f"{module}.{inside}", f"{native}.{inside}", width)
        out.linear(f"{module}.proj_out", f"{native}.proj_out", width, width)


def _transformer(out: Builder, ours: str, theirs: str, width: int) -> None:
    for norm, norm_name, attention, attention_name in _ATTENTIONS:
        out.norm(f"{ours}.{norm}", f"{theirs}.{norm_name}", width)
        for one in ("to_q", "to_k", "to_v"):
            out.linear(f"{ours}.{attention}.{one}", f"{theirs}.{attention_name}.{one}", width,
                       width, bias=False)
        out.linear(f"{ours}.{attention}.to_out.0", f"{theirs}.{attention_name}.to_out.0", width,
                   width)
    out.norm(f"{ours}.norm3", f"{theirs}.ff_norm", width)
    out.linear(f"{ours}.ff.net.0.proj", f"{theirs}.ff.net.0.proj", 8 * width, width)
    out.linear(f"{ours}.ff.net.2", f"{theirs}.ff.net.2", width, 4 * width)


DERIVATIONS = {
    "MotionAdapter": Derivation(
        motion_architecture, ("down_blocks_", "mid_block_", "up_blocks_", "conv_in")
    ),
}
