"""The table of a Mochi 1 transformer in diffusers' and in Genmo's own names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loradex.keys.architecture import Architecture, Builder
from loradex.keys.derivation import Derivation
from loradex.keys.dit import MLP_RATIO, linear_pair, sequence

# Defaults of diffusers' MochiTransformer3DModel.
_DEFAULTS: Mapping[str, Any] = {
    "patch_size": 2,
    "num_attention_heads": 24,
    "attention_head_dim": 128,
    "num_layers": 48,
    "pooled_projection_dim": 1536,
    "in_channels": 12,
    "out_channels": None,
    "text_embed_dim": 4096,
    "time_embed_dim": 256,
}


def mochi_architecture(config: Mapping[str, Any]) -> Architecture:
    """The table of the transformer that diffusers' MochiTransformer3DModel builds."""
    walk = _Walk({**_DEFAULTS, **config})
    walk.embeddings()
    for index in range(walk.depth):
        walk.block(index, last=index == walk.depth - 1)
    walk.final()
    return Architecture(
        id="mochi", component="denoiser", leaves=tuple(walk.out.leaves),
        features={"width": walk.width, "text width": walk.text, "blocks": walk.depth},
    )


class _Walk:
    """Goes through the blocks once; `x` is the picture's stream, `y` the text's."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.head = int(config["attention_head_dim"])
        self.width = int(config["num_attention_heads"]) * self.head
        self.text = int(config["pooled_projection_dim"])
        self.depth = int(config["num_layers"])
        self.out = Builder()

    def embeddings(self) -> None:
        config, out, captions = self.config, self.out, int(self.config["text_embed_dim"])
        out.conv("patch_embed.proj", "x_embedder.proj", self.width, int(config["in_channels"]),
                 int(config["patch_size"]))
        linear_pair(out, "time_embed.timestep_embedder", sequence("t_embedder.mlp"),
                    int(config["time_embed_dim"]), self.width)
        for name, rows in (("to_kv", 2 * captions), ("to_q", captions), ("to_out", self.width)):
            out.linear(f"time_embed.pooler.{name}", f"t5_y_embedder.{name}", rows, captions)
        out.linear("time_embed.caption_proj", "t5_yproj", self.text, captions)

    def block(self, index: int, *, last: bool) -> None:
        """The last block leaves the text as it is."""
        ours, theirs = f"transformer_blocks.{index}", f"blocks.{index}"
        out, width, text = self.out, self.width, self.text
        out.linear(f"{ours}.norm1.linear", f"{theirs}.mod_x", 4 * width, width)
        context = ("linear_1", text) if last else ("linear", 4 * text)
        out.linear(f"{ours}.norm1_context.{context[0]}", f"{theirs}.mod_y", context[1], width)
        self._attention(f"{ours}.attn1", f"{theirs}.attn")
        out.linear(f"{ours}.attn1.to_out.0", f"{theirs}.attn.proj_x", width, width)
        self._feed_forward(f"{ours}.ff", f"{theirs}.mlp_x", width)
        if not last:
            out.linear(f"{ours}.attn1.to_add_out", f"{theirs}.attn.proj_y", text, width)
            self._feed_forward(f"{ours}.ff_context", f"{theirs}.mlp_y", text)

    def _attention(self, ours: str, theirs: str) -> None:
        for name, norm, stream, inp in (("to_{}", "norm_{}", "x", self.width),
                                        ("add_{}_proj", "norm_added_{}", "y", self.text)):
            parts = [(f"{ours}.{name.format(one)}", self.width) for one in "qkv"]
            self.out.split(parts, f"{theirs}.qkv_{stream}", inp, bias=False)
            for one in "qk":
                self.out.norm(f"{ours}.{norm.format(one)}", f"{theirs}.{one}_norm_{stream}",
                              self.head, bias=False)

    def _feed_forward(self, ours: str, theirs: str, width: int) -> None:
        """diffusers keeps the value's rows first, the native tree the gate's."""
        inner = 2 * MLP_RATIO * width // 3
        self.out.swapped(f"{ours}.net.0.proj", f"{theirs}.w1", inner, width, bias=False)
        self.out.linear(f"{ours}.net.2", f"{theirs}.w2", width, inner, bias=False)

    def final(self) -> None:
        config = self.config
        self.out.swapped("norm_out.linear", "final_layer.mod", self.width, self.width)
        channels = int(config["out_channels"] or config["in_channels"])
        self.out.linear("proj_out", "final_layer.linear",
                        int(config["patch_size"]) ** 2 * channels, self.width)


DERIVATIONS = {
    "MochiTransformer3DModel": Derivation(
        mochi_architecture,
        (
            "transformer_blocks_", "patch_embed_", "time_embed_", "norm_out_", "proj_out",
            "blocks_", "x_embedder_", "t_embedder_", "t5_y_embedder_", "t5_yproj", "final_layer_",
        ),
    ),
}
