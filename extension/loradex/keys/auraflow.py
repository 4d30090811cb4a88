"""The table of an AuraFlow transformer (Pony V7 too) in diffusers' and in AuraFlow's own names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loradex.keys.architecture import Architecture, Builder
from loradex.keys.derivation import Derivation
from loradex.keys.dit import MLP_RATIO, TIME_CHANNELS, linear_pair, rounded_up, sequence

# Defaults of diffusers' AuraFlowTransformer2DModel.
_DEFAULTS: Mapping[str, Any] = {
    "patch_size": 2,
    "in_channels": 4,
    "num_mmdit_layers": 4,
    "num_single_dit_layers": 32,
    "attention_head_dim": 256,
    "num_attention_heads": 12,
    "joint_attention_dim": 2048,
    "caption_projection_dim": 3072,
    "out_channels": 4,
}
# diffusers' name of each linear of a feed-forward, and theirs.
_FEED_FORWARD = (("linear_1", "c_fc1"), ("linear_2", "c_fc2"), ("out_projection", "c_proj"))
# In a double block w1 are the text's weights, w2 the image's.
_IMAGE = (("to_q", "w2q"), ("to_k", "w2k"), ("to_v", "w2v"), ("to_out.0", "w2o"))
_TEXT = (("add_q_proj", "w1q"), ("add_k_proj", "w1k"), ("add_v_proj", "w1v"), ("to_add_out", "w1o"))
_SINGLE = (("to_q", "w1q"), ("to_k", "w1k"), ("to_v", "w1v"), ("to_out.0", "w1o"))


def auraflow_architecture(config: Mapping[str, Any]) -> Architecture:
    """The table of the transformer that diffusers' AuraFlowTransformer2DModel builds."""
    full = {**_DEFAULTS, **config}
    width = int(full["num_attention_heads"]) * int(full["attention_head_dim"])
    patch, out = int(full["patch_size"]) ** 2, Builder()
    out.linear("pos_embed.proj", "init_x_linear", width, patch * int(full["in_channels"]))
    out.linear("context_embedder", "cond_seq_linear", int(full["caption_projection_dim"]),
               int(full["joint_attention_dim"]), bias=False)
    linear_pair(out, "time_step_proj", sequence("t_embedder.mlp"), TIME_CHANNELS, width)
    for index in range(int(full["num_mmdit_layers"])):
        ours, theirs = f"joint_transformer_blocks.{index}", f"double_layers.{index}"
        _stream(out, ours, theirs, width, ("norm1", "modX", "ff", "mlpX"), _IMAGE)
        _stream(out, ours, theirs, width, ("norm1_context", "modC", "ff_context", "mlpC"), _TEXT)
    for index in range(int(full["num_single_dit_layers"])):
        ours, theirs = f"single_transformer_blocks.{index}", f"single_layers.{index}"
        _stream(out, ours, theirs, width, ("norm1", "modCX", "ff", "mlp"), _SINGLE)
    out.swapped("norm_out.linear", "modF.1", width, width, bias=False)
    out.linear("proj_out", "final_linear", patch * int(full["out_channels"]), width, bias=False)
    return Architecture(
        id="auraflow", component="denoiser", leaves=tuple(out.leaves),
        features={"width": width, "double blocks": int(full["num_mmdit_layers"]),
                  "single blocks": int(full["num_single_dit_layers"])},
    )


def _stream(
    out: Builder, ours: str, theirs: str, width: int, names: tuple[str, str, str, str],
    attention: tuple[tuple[str, str], ...],
) -> None:
    """What one stream of a block has; `names` are the modulation's and the feed-forward's."""
    norm, modulation, feed_forward, mlp = names
    out.linear(f"{ours}.{norm}.linear", f"{theirs}.{modulation}.1", 6 * width, width, bias=False)
    for our_name, their_name in attention:
        out.linear(f"{ours}.attn.{our_name}", f"{theirs}.attn.{their_name}", width, width,
                   bias=False)
    inner = rounded_up(2 * MLP_RATIO * width // 3, 256)
    for our_name, their_name in _FEED_FORWARD:
        shape = (width, inner) if our_name == "out_projection" else (inner, width)
        out.linear(f"{ours}.{feed_forward}.{our_name}", f"{theirs}.{mlp}.{their_name}", *shape,
                   bias=False)


DERIVATIONS = {
    "AuraFlowTransformer2DModel": Derivation(
        auraflow_architecture,
        (
            "joint_transformer_blocks_", "single_transformer_blocks_", "pos_embed_",
            "context_embedder", "time_step_proj_", "norm_out_", "proj_out", "double_layers_",
            "single_layers_", "init_x_linear", "cond_seq_linear", "t_embedder_", "modF_",
            "final_linear",
        ),
    ),
}
