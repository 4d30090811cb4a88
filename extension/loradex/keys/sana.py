"""The table of a Sana transformer in diffusers' and in Sana's own names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loradex.keys.architecture import Architecture, Builder
from loradex.keys.derivation import Derivation
from loradex.keys.dit import TIME_CHANNELS, linear_pair, pixart_attention, sequence

# Defaults of diffusers' SanaTransformer2DModel.
_DEFAULTS: Mapping[str, Any] = {
    "in_channels": 32,
    "out_channels": 32,
    "num_attention_heads": 70,
    "attention_head_dim": 32,
    "num_layers": 20,
    "cross_attention_dim": 2240,
    "caption_channels": 2304,
    "mlp_ratio": 2.5,
    "attention_bias": False,
    "patch_size": 1,
    "guidance_embeds": False,
    "qk_norm": None,
}


def sana_architecture(config: Mapping[str, Any]) -> Architecture:
    """The table of the transformer that diffusers' SanaTransformer2DModel builds.

    Sana 1.5 and Sana Sprint normalise q and k, Sprint embeds the guidance as well; their native
    names are those that diffusers' convert_sana_to_diffusers.py reads.
    """
    full = {**_DEFAULTS, **config}
    width = int(full["num_attention_heads"]) * int(full["attention_head_dim"])
    out = Builder()
    _embeddings(out, full, width)
    for index in range(int(full["num_layers"])):
        _block(out, full, index, width)
    channels = int(full["out_channels"] or full["in_channels"])
    out.linear("proj_out", "final_layer.linear", int(full["patch_size"]) ** 2 * channels, width)
    return Architecture(
        id="sana", component="denoiser", leaves=tuple(out.leaves),
        features={"width": width, "blocks": int(full["num_layers"])},
    )


def _embeddings(out: Builder, config: Mapping[str, Any], width: int) -> None:
    out.conv("patch_embed.proj", "x_embedder.proj", width, int(config["in_channels"]),
             int(config["patch_size"]))
    guided = bool(config["guidance_embeds"])
    time = "time_embed" if guided else "time_embed.emb"
    linear_pair(out, f"{time}.timestep_embedder", sequence("t_embedder.mlp"), TIME_CHANNELS, width)
    if guided:
        linear_pair(out, "time_embed.guidance_embedder", sequence("cfg_embedder.mlp"),
                    TIME_CHANNELS, width)
    out.linear("time_embed.linear", "t_block.1", 6 * width, width)
    linear_pair(out, "caption_projection", ("y_embedder.y_proj.fc1", "y_embedder.y_proj.fc2"),
                int(config["caption_channels"]), width)
    out.norm("caption_norm", "attention_y_norm", width, bias=False)


def _block(out: Builder, config: Mapping[str, Any], index: int, width: int) -> None:
    ours, theirs = f"transformer_blocks.{index}", f"blocks.{index}"
    pixart_attention(out, index, width, int(config["cross_attention_dim"]),
                     bias=bool(config["attention_bias"]), cross_bias=True)
    if config["qk_norm"]:
        for attention, name in (("attn1", "attn"), ("attn2", "cross_attn")):
            for one in "qk":
                out.norm(f"{ours}.{attention}.norm_{one}", f"{theirs}.{name}.{one}_norm", width,
                         bias=False)
    hidden = int(config["mlp_ratio"] * width)
    # One weight gives value and gate; the depth-wise layer has one input channel per group.
    out.conv(f"{ours}.ff.conv_inverted", f"{theirs}.mlp.inverted_conv.conv", 2 * hidden, width, 1)
    out.conv(f"{ours}.ff.conv_depth", f"{theirs}.mlp.depth_conv.conv", 2 * hidden, 1)
    out.conv(f"{ours}.ff.conv_point", f"{theirs}.mlp.point_conv.conv", width, hidden, 1, bias=False)


DERIVATIONS = {
    "SanaTransformer2DModel": Derivation(
        sana_architecture,
        (
            "transformer_blocks_", "patch_embed_", "time_embed_", "caption_projection_",
            "caption_norm", "proj_out", "blocks_", "x_embedder_", "t_embedder_", "cfg_embedder_",
            "t_block_", "y_embedder_", "attention_y_norm", "final_layer_",
        ),
    ),
}
