"""The table of a Chroma transformer: Flux.1 with one small network for all its modulations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loradex.keys.architecture import Architecture, Builder, Leaf, Region
from loradex.keys.derivation import Derivation
from loradex.keys.flux import double_block, single_block

# Defaults of diffusers' ChromaTransformer2DModel.
_DEFAULTS: Mapping[str, Any] = {
    "patch_size": 1,
    "in_channels": 64,
    "num_layers": 19,
    "num_single_layers": 38,
    "attention_head_dim": 128,
    "num_attention_heads": 24,
    "joint_attention_dim": 4096,
    "approximator_num_channels": 64,
    "approximator_hidden_dim": 5120,
    "approximator_layers": 5,
}


def chroma_architecture(config: Mapping[str, Any]) -> Architecture:
    """The table of the transformer that diffusers' ChromaTransformer2DModel builds."""
    full = {**_DEFAULTS, **config}
    head = int(full["attention_head_dim"])
    width = int(full["num_attention_heads"]) * head
    out = Builder()
    _approximator(out, full, width)
    out.linear("context_embedder", "txt_in", width, int(full["joint_attention_dim"]))
    out.linear("x_embedder", "img_in", width, int(full["in_channels"]))
    for index in range(int(full["num_layers"])):
        double_block(out, index, width, head, modulated=False)
    aliases: dict[str, tuple[Leaf, ...]] = {}
    for index in range(int(full["num_single_layers"])):
        leaves = single_block(out, index, width, head, modulated=False)
        aliases[f"single_blocks.{index}.linear1.qkv"] = leaves  # as in XLabs' files for Flux.1
    channels = int(full.get("out_channels") or full["in_channels"])
    out.linear("proj_out", "final_layer.linear", int(full["patch_size"]) ** 2 * channels, width)
    return Architecture(
        id="chroma", component="denoiser", leaves=tuple(out.leaves), aliases=aliases,
        features={"width": width, "double blocks": int(full["num_layers"]),
                  "single blocks": int(full["num_single_layers"])},
    )


def _approximator(out: Builder, config: Mapping[str, Any], width: int) -> None:
    """The network that computes the modulations of all blocks."""
    name, inner = "distilled_guidance_layer", int(config["approximator_hidden_dim"])
    channels = int(config["approximator_num_channels"])
    out.linear(f"{name}.in_proj", f"{name}.in_proj", inner, channels)
    for index in range(int(config["approximator_layers"])):
        layer, norm = f"{name}.layers.{index}", f"{name}.norms.{index}"
        out.linear(f"{layer}.linear_1", f"{layer}.in_layer", inner, inner)
        out.linear(f"{layer}.linear_2", f"{layer}.out_layer", inner, inner)
        out.norm(norm, Region(norm, parameter="scale"), inner, bias=False)
    out.linear(f"{name}.out_proj", f"{name}.out_proj", width, inner)


DERIVATIONS = {
    "ChromaTransformer2DModel": Derivation(
        chroma_architecture,
        (
            "transformer_blocks_", "single_transformer_blocks_", "context_embedder", "x_embedder",
            "proj_out", "double_blocks_", "single_blocks_", "txt_in", "img_in",
            "final_layer_linear", "distilled_guidance_layer_",
        ),
    ),
}
