"""The table of a PixArt transformer in diffusers' and in PixArt's own names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loradex.keys.architecture import Architecture, Builder
from loradex.keys.derivation import Derivation
from loradex.keys.dit import (
    MLP_RATIO,
    TIME_CHANNELS,
    feed_forward,
    linear_pair,
    pixart_attention,
    sequence,
)

# Defaults of diffusers' PixArtTransformer2DModel.
_DEFAULTS: Mapping[str, Any] = {
    "num_attention_heads": 16,
    "attention_head_dim": 72,
    "in_channels": 4,
    "out_channels": 8,
    "num_layers": 28,
    "cross_attention_dim": 1152,
    "attention_bias": True,
    "sample_size": 128,
    "patch_size": 2,
    "use_additional_conditions": None,
    "caption_channels": None,
}
_MICRO_CONDITIONED_SIZE = 128  # the sample size that has them where the configuration says nothing


def pixart_architecture(config: Mapping[str, Any]) -> Architecture:
    """The table of the transformer that diffusers' PixArtTransformer2DModel builds.

    The native names are those that diffusers' convert_pixart_sigma_to_diffusers.py reads.
    """
    full = {**_DEFAULTS, **config}
    width = int(full["num_attention_heads"]) * int(full["attention_head_dim"])
    out = Builder()
    _embeddings(out, full, width)
    bias = bool(full["attention_bias"])
    context = int(full["cross_attention_dim"] or width)
    for index in range(int(full["num_layers"])):
        ours, theirs = f"transformer_blocks.{index}", f"blocks.{index}"
        pixart_attention(out, index, width, context, bias=bias, cross_bias=bias)
        names = (f"{theirs}.mlp.fc1", f"{theirs}.mlp.fc2")
        feed_forward(out, f"{ours}.ff", names, MLP_RATIO * width, width)
    channels = int(full["out_channels"] or full["in_channels"])
    out.linear("proj_out", "final_layer.linear", int(full["patch_size"]) ** 2 * channels, width)
    return Architecture(
        id="pixart", component="denoiser", leaves=tuple(out.leaves),
        features={"width": width, "blocks": int(full["num_layers"])},
    )


def _embeddings(out: Builder, config: Mapping[str, Any], width: int) -> None:
    out.conv("pos_embed.proj", "x_embedder.proj", width, int(config["in_channels"]),
             int(config["patch_size"]))
    embedders = [("timestep_embedder", "t_embedder", width)]
    if _micro_conditioned(config):
        embedders += [("resolution_embedder", "csize_embedder", width // 3),
                      ("aspect_ratio_embedder", "ar_embedder", width // 3)]
    for ours, theirs, size in embedders:
        linear_pair(out, f"adaln_single.emb.{ours}", sequence(f"{theirs}.mlp"), TIME_CHANNELS, size)
    out.linear("adaln_single.linear", "t_block.1", 6 * width, width)
    if config["caption_channels"] is not None:
        linear_pair(out, "caption_projection", ("y_embedder.y_proj.fc1", "y_embedder.y_proj.fc2"),
                    int(config["caption_channels"]), width)


def _micro_conditioned(config: Mapping[str, Any]) -> bool:
    """Whether resolution and aspect ratio are given to the model (PixArt Alpha at 1024 pixels)."""
    told = config["use_additional_conditions"]
    return config["sample_size"] == _MICRO_CONDITIONED_SIZE if told is None else bool(told)


DERIVATIONS = {
    "PixArtTransformer2DModel": Derivation(
        pixart_architecture,
        (
            "transformer_blocks_", "pos_embed_", "adaln_single_", "caption_projection_", "proj_out",
            "blocks_", "x_embedder_", "t_embedder_", "t_block_", "csize_embedder_", "ar_embedder_",
            "y_embedder_", "final_layer_",
        ),
    ),
}
