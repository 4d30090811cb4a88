"""Reads the configuration of a CLIP or T5 text encoder off its names and shapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any

from loradex.keys.clip import LEVEL
from loradex.keys.derivation import Config
from loradex.keys.targets import Shape, Tree

Shapes = Mapping[str, Shape]

# What a CLIP's configuration is read off: (token table, positions, first layer, its widening).
_CLIP: Mapping[Tree, tuple[str, str, str, str]] = {
    "diffusers": (
        f"{LEVEL}embeddings.token_embedding.weight", f"{LEVEL}embeddings.position_embedding.weight",
        f"{LEVEL}encoder.layers.{{}}.layer_norm1.weight",
        f"{LEVEL}encoder.layers.0.mlp.fc1.weight",
    ),
    "native": (
        "token_embedding.weight", "positional_embedding",
        "transformer.resblocks.{}.ln_1.weight", "transformer.resblocks.0.mlp.c_fc.weight",
    ),
}


def read_clip(own: Shapes, tree: Tree) -> Config | None:
    """The configuration of a CLIP text encoder; `native` is open_clip's tree.

    Names of transformers carry `text_model.` here, also where the module has dropped it.
    """
    token, position, layer, widening = _CLIP[tree]
    if not all(len(own.get(name, ())) == 2 for name in (token, position, widening)):
        return None
    found: dict[str, Any] = {
        "vocab_size": own[token][0], "hidden_size": own[token][1],
        "max_position_embeddings": own[position][0], "intermediate_size": own[widening][0],
        "num_hidden_layers": _count(own, layer),
        # Gives the table open_clip's names beside transformers'.
        "hidden_act": "gelu",
    }
    projection = own.get("text_projection.weight", own.get("text_projection"))
    if projection is not None:
        found["projection_dim"] = projection[0 if tree == "diffusers" else -1]
    return found


def with_text_level(own: Shapes) -> Shapes:
    """The names of a CLIPTextModel with the `text_model.` that transformers >= 5.6 leaves out."""
    if "embeddings.token_embedding.weight" not in own:
        return own
    return {name if name.startswith("text_projection") else LEVEL + name: shape
            for name, shape in own.items()}


def read_t5(own: Shapes, tree: Tree) -> Config | None:
    """The configuration of a T5 encoder, whose names are the same in both trees."""
    layer = "encoder.block.{}.layer"
    attention, mlp = layer.format(0) + ".0.SelfAttention", layer.format(0) + ".1.DenseReluDense"
    query, buckets = own.get(f"{attention}.q.weight"), own.get(
        f"{attention}.relative_attention_bias.weight")
    output = own.get(f"{mlp}.wo.weight")
    if tree != "diffusers" or query is None or buckets is None or output is None:
        return None
    gated = f"{mlp}.wi_0.weight" in own
    return {
        "vocab_size": own.get("shared.weight", (32128,))[0], "d_model": query[-1],
        "num_heads": buckets[-1], "d_kv": query[0] // buckets[-1], "d_ff": output[-1],
        "num_layers": _count(own, layer + ".0.SelfAttention.q.weight"),
        "relative_attention_num_buckets": buckets[0],
        "feed_forward_proj": "gated-gelu" if gated else "relu",
    }


def _count(own: Iterable[str], name: str) -> int:
    """How many tensors of that name there are, numbered from 0 without a gap."""
    return next(number for number in count() if name.format(number) not in own)
