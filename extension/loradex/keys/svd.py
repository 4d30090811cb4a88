"""The table of Stable Video Diffusion's UNet in diffusers' and in sgm's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loradex.keys.architecture import Architecture
from loradex.keys.derivation import Derivation
from loradex.keys.targets import Kind
from loradex.keys.unet import Level, UNetWalk

_DOWN = {"CrossAttnDownBlockSpatioTemporal": True, "DownBlockSpatioTemporal": False}
_UP = {"CrossAttnUpBlockSpatioTemporal": True, "UpBlockSpatioTemporal": False}

# Defaults of diffusers' UNetSpatioTemporalConditionModel, where they are not those of the UNet of
# images.
_DEFAULTS: Mapping[str, Any] = {
    "in_channels": 8,
    "down_block_types": ("CrossAttnDownBlockSpatioTemporal",) * 3 + ("DownBlockSpatioTemporal",),
    "up_block_types": ("UpBlockSpatioTemporal",) + ("CrossAttnUpBlockSpatioTemporal",) * 3,
    "cross_attention_dim": 1024,
    "num_attention_heads": (5, 10, 20, 20),
    "addition_embed_type": "text_time",  # the frame rate and the like, embedded as SDXL's sizes are
    "projection_class_embeddings_input_dim": 768,
    "use_linear_projection": True,
}
_FRAMES = 3  # of the temporal convolutions' kernels, fixed in both implementations


def svd_architecture(config: Mapping[str, Any]) -> Architecture:
    """The table that diffusers' UNetSpatioTemporalConditionModel builds from `config`.

    The factors that mix space and time (`time_mixer`) are single numbers and no targets.
    """
    full = {**_DEFAULTS, **config}
    return _Walk({**full, "attention_head_dim": full["num_attention_heads"]}).run()


class _Walk(UNetWalk):
    """A UNet whose resnets and transformers each have a second one over the frames."""

    id = "svd"
    down_types: Mapping[Any, bool | None] = _DOWN
    up_types: Mapping[Any, bool | None] = _UP

    def _resnet(self, ours: str, theirs: str, inp: int, out: int) -> None:
        super()._resnet(f"{ours}.spatial_res_block", theirs, inp, out)
        ours, theirs = f"{ours}.temporal_res_block", f"{theirs}.time_stack"
        for norm, conv, norm_name, conv_name in (
            ("norm1", "conv1", "in_layers.0", "in_layers.2"),
            ("norm2", "conv2", "out_layers.0", "out_layers.3"),
        ):
            self.out.norm(f"{ours}.{norm}", f"{theirs}.{norm_name}", out)
            self.out.add(Kind.CONV, (out, out, _FRAMES, 1, 1), f"{ours}.{conv}",
                         f"{theirs}.{conv_name}")
        self.out.linear(f"{ours}.time_emb_proj", f"{theirs}.emb_layers.1", out, self.embed)

    def _attention(self, ours: str, theirs: str, level: Level, depth: int) -> None:
        super()._attention(ours, theirs, level, depth)
        inner = level.inner
        for i in range(depth):
            block, stack = f"{ours}.temporal_transformer_blocks.{i}", f"{theirs}.time_stack.{i}"
            self.out.norm(f"{block}.norm_in", f"{stack}.norm_in", inner)
            self._feed_forward(f"{block}.ff_in", f"{stack}.ff_in", inner)
            self._transformer(block, stack, level)
        embed, channels = "time_pos_embed", level.channels
        self.out.linear(f"{ours}.{embed}.linear_1", f"{theirs}.{embed}.0", 4 * channels, channels)
        self.out.linear(f"{ours}.{embed}.linear_2", f"{theirs}.{embed}.2", channels, 4 * channels)


DERIVATIONS = {
    "UNetSpatioTemporalConditionModel": Derivation(
        svd_architecture,
        (
            "down_blocks_", "mid_block_", "up_blocks_", "conv_in", "conv_out", "conv_norm_out",
            "time_embedding_", "add_embedding_", "input_blocks_", "middle_block_",
            "output_blocks_", "out_", "time_embed_", "label_emb_",
        ),
    ),
}
