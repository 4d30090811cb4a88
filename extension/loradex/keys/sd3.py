"""The table of a Stable Diffusion 3 / 3.5 transformer in diffusers' and in MMDiT's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loradex.keys.architecture import Architecture, Builder
from loradex.keys.derivation import Derivation
from loradex.keys.targets import Kind

# Defaults of diffusers' SD3Transformer2DModel.
_DEFAULTS: Mapping[str, Any] = {
    "patch_size": 2,
    "in_channels": 16,
    "out_channels": 16,
    "num_layers": 18,
    "attention_head_dim": 64,
    "num_attention_heads": 18,
    "joint_attention_dim": 4096,
    "caption_projection_dim": 1152,
    "pooled_projection_dim": 2048,
    "dual_attention_layers": (),
    "qk_norm": None,
}
_TIME_CHANNELS = 256  # of the sinusoidal embedding, fixed in both implementations
_MLP_RATIO = 4


def sd3_architecture(config: Mapping[str, Any]) -> Architecture:
    """The table of the transformer that diffusers' SD3Transformer2DModel builds.

    The table of positions (`pos_embed`) is a buffer and no target.
    """
    full = {**_DEFAULTS, **config}
    walk = _Walk(full)
    walk.embeddings()
    depth = int(full["num_layers"])
    for index in range(depth):
        walk.block(index, last=index == depth - 1)
    walk.final()
    return Architecture(
        id="sd3", component="denoiser", leaves=tuple(walk.out.leaves),
        features={"width": walk.width, "blocks": depth,
                  "dual attention blocks": len(full["dual_attention_layers"] or ())},
    )


class _Walk:
    """Goes through the blocks once and names every weight in both trees."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.head = int(config["attention_head_dim"])
        self.width = int(config["num_attention_heads"]) * self.head
        self.dual = frozenset(config["dual_attention_layers"] or ())
        self.out = Builder()

    def embeddings(self) -> None:
        patch, out, config = int(self.config["patch_size"]), self.out, self.config
        out.add(Kind.CONV, (self.width, int(config["in_channels"]), patch, patch),
                "pos_embed.proj", "x_embedder.proj")
        pooled = int(config["pooled_projection_dim"])
        for ours, theirs, inp in (("timestep_embedder", "t_embedder", _TIME_CHANNELS),
                                  ("text_embedder", "y_embedder", pooled)):
            out.linear(f"time_text_embed.{ours}.linear_1", f"{theirs}.mlp.0", self.width, inp)
            out.linear(f"time_text_embed.{ours}.linear_2", f"{theirs}.mlp.2", self.width,
                       self.width)
        out.linear("context_embedder", "context_embedder", int(config["caption_projection_dim"]),
                   int(config["joint_attention_dim"]))

    def block(self, index: int, *, last: bool) -> None:
        ours, theirs = f"transformer_blocks.{index}", f"joint_blocks.{index}"
        width, dual = self.width, index in self.dual
        self.out.linear(f"{ours}.norm1.linear", f"{theirs}.x_block.adaLN_modulation.1",
                        (9 if dual else 6) * width, width)
        context = (f"{ours}.norm1_context.linear", f"{theirs}.context_block.adaLN_modulation.1")
        if last:  # only scale and shift are left, and the two implementations order them apart
            self.out.swapped(*context, width, width)
        else:
            self.out.linear(*context, 6 * width, width)
        self._attention(f"{ours}.attn", f"{theirs}.x_block.attn", "to_{}", "norm_{}", "to_out.0")
        self._attention(f"{ours}.attn", f"{theirs}.context_block.attn", "add_{}_proj",
                        "norm_added_{}", "" if last else "to_add_out")
        if dual:
            self._attention(f"{ours}.attn2", f"{theirs}.x_block.attn2", "to_{}", "norm_{}",
                            "to_out.0")
        self._feed_forward(f"{ours}.ff", f"{theirs}.x_block.mlp")
        if not last:
            self._feed_forward(f"{ours}.ff_context", f"{theirs}.context_block.mlp")

    def _attention(self, ours: str, theirs: str, name: str, norm: str, output: str) -> None:
        width = self.width
        self.out.split([(f"{ours}.{name.format(one)}", width) for one in "qkv"],
                       f"{theirs}.qkv", width)
        if output:
            self.out.linear(f"{ours}.{output}", f"{theirs}.proj", width, width)
        if self.config["qk_norm"]:
            for one in "qk":
                self.out.norm(f"{ours}.{norm.format(one)}", f"{theirs}.ln_{one}", self.head,
                              bias=False)

    def _feed_forward(self, ours: str, theirs: str) -> None:
        inner = _MLP_RATIO * self.width
        self.out.linear(f"{ours}.net.0.proj", f"{theirs}.fc1", inner, self.width)
        self.out.linear(f"{ours}.net.2", f"{theirs}.fc2", self.width, inner)

    def final(self) -> None:
        patch = int(self.config["patch_size"])
        channels = int(self.config["out_channels"] or self.config["in_channels"])
        self.out.swapped("norm_out.linear", "final_layer.adaLN_modulation.1", self.width,
                         self.width)
        self.out.linear("proj_out", "final_layer.linear", patch * patch * channels, self.width)


DERIVATIONS = {
    "SD3Transformer2DModel": Derivation(
        sd3_architecture,
        (
            "transformer_blocks_", "time_text_embed_", "context_embedder", "pos_embed",
            "norm_out_", "proj_out", "joint_blocks_", "t_embedder_", "y_embedder_", "x_embedder_",
            "final_layer_",
        ),
    ),
}
