"""The table of a Flux.1 transformer in diffusers' and in Black Forest Labs' names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loradex.keys.architecture import Architecture, Builder, Leaf, Region
from loradex.keys.derivation import Derivation

# Defaults of diffusers' FluxTransformer2DModel.
_DEFAULTS: Mapping[str, Any] = {
    "patch_size": 1,
    "in_channels": 64,
    "num_layers": 19,
    "num_single_layers": 38,
    "attention_head_dim": 128,
    "num_attention_heads": 24,
    "joint_attention_dim": 4096,
    "pooled_projection_dim": 768,
    "guidance_embeds": False,
}
_TIME_CHANNELS = 256  # of the sinusoidal embedding, fixed in both implementations
_MLP_RATIO = 4
# Per stream of a double block: our attention names, our feed-forward, our adaLN, theirs.
_STREAMS = (
    ("to_{}", "to_out.0", "norm_{}", "ff", "norm1", "img"),
    ("add_{}_proj", "to_add_out", "norm_added_{}", "ff_context", "norm1_context", "txt"),
)


def flux_architecture(config: Mapping[str, Any]) -> Architecture:
    """The table of the transformer that diffusers' FluxTransformer2DModel builds."""
    full = {**_DEFAULTS, **config}
    heads, head = int(full["num_attention_heads"]), int(full["attention_head_dim"])
    width = heads * head
    out = Builder()
    _embeddings(out, full, width)
    for index in range(int(full["num_layers"])):
        double_block(out, index, width, head)
    aliases: dict[str, tuple[Leaf, ...]] = {}
    for index in range(int(full["num_single_layers"])):
        query_key_value = single_block(out, index, width, head)
        # XLabs' files train the attention rows of linear1 alone.
        aliases[f"single_blocks.{index}.linear1.qkv"] = query_key_value
    out.swapped("norm_out.linear", "final_layer.adaLN_modulation.1", width, width)
    channels = full.get("out_channels") or full["in_channels"]
    patch = int(full["patch_size"]) ** 2
    out.linear("proj_out", "final_layer.linear", patch * int(channels), width)
    return Architecture(
        id="flux", component="denoiser", leaves=tuple(out.leaves), aliases=aliases,
        features={"width": width, "double blocks": int(full["num_layers"]),
                  "single blocks": int(full["num_single_layers"])},
    )


def _embeddings(out: Builder, config: Mapping[str, Any], width: int) -> None:
    embedders = [("timestep_embedder", "time_in", _TIME_CHANNELS)]
    if config["guidance_embeds"]:
        embedders.append(("guidance_embedder", "guidance_in", _TIME_CHANNELS))
    embedders.append(("text_embedder", "vector_in", int(config["pooled_projection_dim"])))
    for ours, theirs, inp in embedders:
        out.linear(f"time_text_embed.{ours}.linear_1", f"{theirs}.in_layer", width, inp)
        out.linear(f"time_text_embed.{ours}.linear_2", f"{theirs}.out_layer", width, width)
    out.linear("context_embedder", "txt_in", width, int(config["joint_attention_dim"]))
    out.linear("x_embedder", "img_in", width, int(config["in_channels"]))


def _scale(module: str) -> Region:
    return Region(module, parameter="scale")


def double_block(
    out: Builder, index: int, width: int, head: int, *, modulated: bool = True
) -> None:
    """Adds one double block, with the modulation of its own that Chroma's lack."""
    ours, theirs = f"transformer_blocks.{index}", f"double_blocks.{index}"
    for attention, output, norm, feed_forward, modulation, stream in _STREAMS:
        if modulated:
            out.linear(f"{ours}.{modulation}.linear", f"{theirs}.{stream}_mod.lin", 6 * width,
                       width)
        names = [f"{ours}.attn.{attention.format(one)}" for one in "qkv"]
        out.split([(name, width) for name in names], f"{theirs}.{stream}_attn.qkv", width)
        out.linear(f"{ours}.attn.{output}", f"{theirs}.{stream}_attn.proj", width, width)
        for one, name in (("q", "query_norm"), ("k", "key_norm")):
            out.norm(f"{ours}.attn.{norm.format(one)}",
                     _scale(f"{theirs}.{stream}_attn.norm.{name}"), head, bias=False)
        inner = _MLP_RATIO * width
        out.linear(f"{ours}.{feed_forward}.net.0.proj", f"{theirs}.{stream}_mlp.0", inner, width)
        out.linear(f"{ours}.{feed_forward}.net.2", f"{theirs}.{stream}_mlp.2", width, inner)


def single_block(
    out: Builder, index: int, width: int, head: int, *, modulated: bool = True
) -> tuple[Leaf, ...]:
    """Adds one single block; its q, k and v are returned."""
    ours, theirs = f"single_transformer_blocks.{index}", f"single_blocks.{index}"
    inner = _MLP_RATIO * width
    if modulated:
        out.linear(f"{ours}.norm.linear", f"{theirs}.modulation.lin", 3 * width, width)
    parts = [(f"{ours}.attn.to_{one}", width) for one in "qkv"]
    leaves = out.split([*parts, (f"{ours}.proj_mlp", inner)], f"{theirs}.linear1", width)
    out.linear(f"{ours}.proj_out", f"{theirs}.linear2", width, width + inner)
    for one, name in (("q", "query_norm"), ("k", "key_norm")):
        out.norm(f"{ours}.attn.norm_{one}", _scale(f"{theirs}.norm.{name}"), head, bias=False)
    return leaves[:3]


DERIVATIONS = {
    "FluxTransformer2DModel": Derivation(
        flux_architecture,
        (
            "transformer_blocks_", "single_transformer_blocks_", "time_text_embed_",
            "context_embedder", "x_embedder", "norm_out_", "proj_out", "double_blocks_",
            "single_blocks_", "time_in_", "guidance_in_", "vector_in_", "txt_in", "img_in",
            "final_layer_",
        ),
    ),
}
