"""The table of a T5 text encoder (the third encoder of SD3, the second of Flux.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loradex.keys.architecture import Architecture, Builder
from loradex.keys.derivation import Derivation
from loradex.keys.targets import Kind

# Defaults of transformers' T5Config.
_DEFAULTS: Mapping[str, Any] = {
    "vocab_size": 32128,
    "d_model": 512,
    "d_kv": 64,
    "d_ff": 2048,
    "num_layers": 6,
    "num_heads": 8,
    "relative_attention_num_buckets": 32,
    "feed_forward_proj": "relu",
}


def t5_architecture(config: Mapping[str, Any]) -> Architecture:
    """The table of transformers' T5EncoderModel; both trees have the same names."""
    full = {**_DEFAULTS, **config}
    width, heads = int(full["d_model"]), int(full["num_heads"])
    inner = heads * int(full["d_kv"])
    gated = str(full["feed_forward_proj"]).startswith("gated")
    out = Builder()
    out.add(Kind.EMBEDDING, (int(full["vocab_size"]), width), "shared", "shared", bias=False)
    for index in range(int(full["num_layers"])):
        layer = f"encoder.block.{index}.layer"
        attention, mlp = f"{layer}.0.SelfAttention", f"{layer}.1.DenseReluDense"
        shapes = {f"{attention}.{one}": (inner, width) for one in "qkv"}
        shapes[f"{attention}.o"] = (width, inner)
        for one in ("wi_0", "wi_1") if gated else ("wi",):
            shapes[f"{mlp}.{one}"] = (int(full["d_ff"]), width)
        shapes[f"{mlp}.wo"] = (width, int(full["d_ff"]))
        for name, (rows, columns) in shapes.items():
            out.linear(name, name, rows, columns, bias=False)
        if index == 0:
            name = f"{attention}.relative_attention_bias"
            buckets = int(full["relative_attention_num_buckets"])
            out.add(Kind.EMBEDDING, (buckets, heads), name, name, bias=False)
        for name in (f"{layer}.0.layer_norm", f"{layer}.1.layer_norm"):
            out.norm(name, name, width, bias=False)
    out.norm("encoder.final_layer_norm", "encoder.final_layer_norm", width, bias=False)
    return Architecture(
        id="t5", component="te", leaves=tuple(out.leaves),
        features={"width": width, "layers": int(full["num_layers"])},
    )


DERIVATIONS = {
    "T5EncoderModel": Derivation(t5_architecture, ("encoder_", "shared")),
}
