"""The tables of CogView4 and CogVideoX, in diffusers' names alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loradex.keys.architecture import Architecture, Builder
from loradex.keys.derivation import Derivation
from loradex.keys.dit import MLP_RATIO, feed_forward, linear_pair, same_linear

# Defaults of diffusers' CogView4Transformer2DModel.
_COGVIEW4: Mapping[str, Any] = {
    "patch_size": 2,
    "in_channels": 16,
    "out_channels": 16,
    "num_layers": 30,
    "attention_head_dim": 40,
    "num_attention_heads": 64,
    "text_embed_dim": 4096,
    "time_embed_dim": 512,
    "condition_dim": 256,
}
_CONDITIONS = 6  # original size, target size and crop, two numbers each
# Defaults of diffusers' CogVideoXTransformer3DModel.
_COGVIDEOX: Mapping[str, Any] = {
    "num_attention_heads": 30,
    "attention_head_dim": 64,
    "in_channels": 16,
    "out_channels": 16,
    "time_embed_dim": 512,
    "ofs_embed_dim": None,
    "text_embed_dim": 4096,
    "num_layers": 30,
    "attention_bias": True,
    "patch_size": 2,
    "patch_size_t": None,
    "norm_elementwise_affine": True,
    "patch_bias": True,
}


def cogview4_architecture(config: Mapping[str, Any]) -> Architecture:
    """The table of the transformer that diffusers' CogView4Transformer2DModel builds.

    The original is saved in SwissArmyTransformer's names, which no network file and no WebUI's
    model uses: the native tree is called as diffusers' is.
    """
    full = {**_COGVIEW4, **config}
    width = int(full["num_attention_heads"]) * int(full["attention_head_dim"])
    time, patch, out = int(full["time_embed_dim"]), int(full["patch_size"]) ** 2, Builder()
    same_linear(out, "patch_embed.proj", width, patch * int(full["in_channels"]))
    same_linear(out, "patch_embed.text_proj", width, int(full["text_embed_dim"]))
    _embedder(out, "time_condition_embed.timestep_embedder", width, time)
    _embedder(out, "time_condition_embed.condition_embedder",
              _CONDITIONS * int(full["condition_dim"]), time)
    for index in range(int(full["num_layers"])):
        block = f"transformer_blocks.{index}"
        same_linear(out, f"{block}.norm1.linear", 12 * width, time)
        _layers(out, block, width, bias=True)
    same_linear(out, "norm_out.linear", 2 * width, time)
    same_linear(out, "proj_out", patch * int(full["out_channels"]), width)
    return Architecture(id="cogview4", component="denoiser", leaves=tuple(out.leaves),
                        features={"width": width, "blocks": int(full["num_layers"])})


def cogvideox_architecture(config: Mapping[str, Any]) -> Architecture:
    """The table of the transformer that diffusers' CogVideoXTransformer3DModel builds.

    Its native tree is called as diffusers' is, for CogView4's reason. The learned positions of
    the 5B image-to-video model are a buffer and no target.
    """
    full = {**_COGVIDEOX, **config}
    head = int(full["attention_head_dim"])
    width = int(full["num_attention_heads"]) * head
    time, affine, out = int(full["time_embed_dim"]), full["norm_elementwise_affine"], Builder()
    _video_embeddings(out, full, width)
    for index in range(int(full["num_layers"])):
        block = f"transformer_blocks.{index}"
        for one in ("norm1", "norm2"):
            _modulation(out, f"{block}.{one}", 6 * width, time, width if affine else 0)
        for one in "qk":
            name = f"{block}.attn1.norm_{one}"
            out.norm(name, name, head)
        _layers(out, block, width, bias=bool(full["attention_bias"]))
    if affine:
        out.norm("norm_final", "norm_final", width)
    _modulation(out, "norm_out", 2 * width, time, width if affine else 0)
    patch = int(full["patch_size"]) ** 2 * int(full["patch_size_t"] or 1)
    same_linear(out, "proj_out", patch * int(full["out_channels"]), width)
    return Architecture(id="cogvideox", component="denoiser", leaves=tuple(out.leaves),
                        features={"width": width, "blocks": int(full["num_layers"])})


def _video_embeddings(out: Builder, config: Mapping[str, Any], width: int) -> None:
    patch, inp = int(config["patch_size"]), int(config["in_channels"])
    if config["patch_size_t"] is None:
        out.conv("patch_embed.proj", "patch_embed.proj", width, inp, patch,
                 bias=bool(config["patch_bias"]))
    else:  # 1.5 takes patches in time as well, as a linear
        same_linear(out, "patch_embed.proj", width,
                    inp * patch * patch * int(config["patch_size_t"]))
    same_linear(out, "patch_embed.text_proj", width, int(config["text_embed_dim"]))
    _embedder(out, "time_embedding", width, int(config["time_embed_dim"]))
    if config["ofs_embed_dim"]:
        _embedder(out, "ofs_embedding", int(config["ofs_embed_dim"]), int(config["ofs_embed_dim"]))


def _embedder(out: Builder, name: str, inp: int, width: int) -> None:
    linear_pair(out, name, (f"{name}.linear_1", f"{name}.linear_2"), inp, width)


def _modulation(out: Builder, name: str, rows: int, inp: int, norm: int) -> None:
    same_linear(out, f"{name}.linear", rows, inp)
    if norm:
        out.norm(f"{name}.norm", f"{name}.norm", norm)


def _layers(out: Builder, block: str, width: int, *, bias: bool) -> None:
    """The attention over text and image together, and the feed-forward."""
    for one in "qkv":
        same_linear(out, f"{block}.attn1.to_{one}", width, width, bias=bias)
    same_linear(out, f"{block}.attn1.to_out.0", width, width)
    names = (f"{block}.ff.net.0.proj", f"{block}.ff.net.2")
    feed_forward(out, f"{block}.ff", names, MLP_RATIO * width, width)


_OPENINGS = ("transformer_blocks_", "patch_embed_", "norm_out_", "proj_out")

DERIVATIONS = {
    "CogView4Transformer2DModel": Derivation(
        cogview4_architecture, (*_OPENINGS, "time_condition_embed_")
    ),
    "CogVideoXTransformer3DModel": Derivation(
        cogvideox_architecture, (*_OPENINGS, "time_embedding_", "ofs_embedding_", "norm_final")
    ),
}
