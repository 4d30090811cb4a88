"""The table of an LTX-Video transformer in diffusers' and in Lightricks' own names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loradex.keys.architecture import Architecture, Builder
from loradex.keys.derivation import Derivation
from loradex.keys.dit import MLP_RATIO, TIME_CHANNELS, feed_forward, linear_pair, same_linear

# Defaults of diffusers' LTXVideoTransformer3DModel.
_DEFAULTS: Mapping[str, Any] = {
    "in_channels": 128,
    "out_channels": 128,
    "num_attention_heads": 32,
    "attention_head_dim": 64,
    "cross_attention_dim": 2048,
    "num_layers": 28,
    "caption_channels": 4096,
    "attention_bias": True,
    "attention_out_bias": True,
}


def ltx_architecture(config: Mapping[str, Any]) -> Architecture:
    """The table of the transformer that diffusers' LTXVideoTransformer3DModel builds."""
    full = {**_DEFAULTS, **config}
    width, out = int(full["num_attention_heads"]) * int(full["attention_head_dim"]), Builder()
    out.linear("proj_in", "patchify_proj", width, int(full["in_channels"]))
    modulation(out, "time_embed", "adaln_single", 6, width)
    caption(out, "caption_projection", int(full["caption_channels"]), width)
    bias, out_bias = bool(full["attention_bias"]), bool(full["attention_out_bias"])
    text = int(full["cross_attention_dim"])
    for index in range(int(full["num_layers"])):
        block = f"transformer_blocks.{index}"
        for name, context in (("attn1", width), ("attn2", text)):
            attention(out, f"{block}.{name}", (width, width, context), bias=bias,
                      out_bias=out_bias)
        inner, names = MLP_RATIO * width, (f"{block}.ff.net.0.proj", f"{block}.ff.net.2")
        feed_forward(out, f"{block}.ff", names, inner, width)
    same_linear(out, "proj_out", int(full["out_channels"] or full["in_channels"]), width)
    return Architecture(
        id="ltx", component="denoiser", leaves=tuple(out.leaves),
        features={"width": width, "blocks": int(full["num_layers"])},
    )


def modulation(out: Builder, ours: str, theirs: str, count: int, width: int) -> None:
    """An embedding of the time step and the `count` modulations that are made out of it."""
    name = f"{theirs}.emb.timestep_embedder"
    linear_pair(out, f"{ours}.emb.timestep_embedder", (f"{name}.linear_1", f"{name}.linear_2"),
                TIME_CHANNELS, width)
    out.linear(f"{ours}.linear", f"{theirs}.linear", count * width, width)


def caption(out: Builder, name: str, inp: int, width: int) -> None:
    linear_pair(out, name, (f"{name}.linear_1", f"{name}.linear_2"), inp, width)


def attention(
    out: Builder, name: str, sizes: tuple[int, int, int], *, bias: bool, out_bias: bool
) -> None:
    """One attention; `sizes` are the widths of its inside, of the query and of the context."""
    inner, query, context = sizes
    for one, inp in (("q", query), ("k", context), ("v", context)):
        same_linear(out, f"{name}.to_{one}", inner, inp, bias=bias)
    same_linear(out, f"{name}.to_out.0", query, inner, bias=out_bias)
    for one in "qk":
        out.norm(f"{name}.norm_{one}", f"{name}.{one}_norm", inner, bias=False)


DERIVATIONS = {
    "LTXVideoTransformer3DModel": Derivation(
        ltx_architecture,
        (
            "transformer_blocks_", "proj_in", "time_embed_", "caption_projection_", "proj_out",
            "patchify_proj", "adaln_single_",
        ),
    ),
}
