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
    theirs = "adaln_single.emb.timestep_embedder"
    linear_pair(out, "time_embed.emb.timestep_embedder",
                (f"{theirs}.linear_1", f"{theirs}.linear_2"), TIME_CHANNELS, width)
    out.linear("time_embed.linear", "adaln_single.linear", 6 * width, width)
    name = "caption_projection"
    linear_pair(out, name, (f"{name}.linear_1", f"{name}.linear_2"),
                int(full["caption_channels"]), width)
    for index in range(int(full["num_layers"])):
        _block(out, full, f"transformer_blocks.{index}", width)
    same_linear(out, "proj_out", int(full["out_channels"] or full["in_channels"]), width)
    return Architecture(
        id="ltx", component="denoiser", leaves=tuple(out.leaves),
        features={"width": width, "blocks": int(full["num_layers"])},
    )


def _block(out: Builder, config: Mapping[str, Any], block: str, width: int) -> None:
    bias = bool(config["attention_bias"])
    for attention, context in (("attn1", width), ("attn2", int(config["cross_attention_dim"]))):
        name = f"{block}.{attention}"
        for one, inp in (("q", width), ("k", context), ("v", context)):
            same_linear(out, f"{name}.to_{one}", width, inp, bias=bias)
        same_linear(out, f"{name}.to_out.0", width, width, bias=bool(config["attention_out_bias"]))
        for one in "qk":
            out.norm(f"{name}.norm_{one}", f"{name}.{one}_norm", width, bias=False)
    names = (f"{block}.ff.net.0.proj", f"{block}.ff.net.2")
    feed_forward(out, f"{block}.ff", names, MLP_RATIO * width, width)


DERIVATIONS = {
    "LTXVideoTransformer3DModel": Derivation(
        ltx_architecture,
        (
            "transformer_blocks_", "proj_in", "time_embed_", "caption_projection_", "proj_out",
            "patchify_proj", "adaln_single_",
        ),
    ),
}
