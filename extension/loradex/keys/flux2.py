"""The table of a Flux.2 transformer in diffusers' and in Black Forest Labs' names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loradex.keys.architecture import Architecture, Builder, Region
from loradex.keys.derivation import Derivation

# Defaults of diffusers' Flux2Transformer2DModel: those of Flux.2 dev.
_DEFAULTS: Mapping[str, Any] = {
    "patch_size": 1,
    "in_channels": 128,
    "num_layers": 8,
    "num_single_layers": 48,
    "attention_head_dim": 128,
    "num_attention_heads": 48,
    "joint_attention_dim": 15360,
    "timestep_guidance_channels": 256,
    "mlp_ratio": 3.0,
    "guidance_embeds": True,
}
# Per stream of a double block: our attention names, our feed-forward, theirs.
_STREAMS = (
    ("to_{}", "to_out.0", "norm_{}", "ff", "img"),
    ("add_{}_proj", "to_add_out", "norm_added_{}", "ff_context", "txt"),
)


def flux2_architecture(config: Mapping[str, Any]) -> Architecture:
    """The table of the transformer that diffusers' Flux2Transformer2DModel builds; no biases."""
    walk = _Walk({**_DEFAULTS, **config})
    walk.embeddings()
    for index in range(walk.number("num_layers")):
        walk.double(index)
    for index in range(walk.number("num_single_layers")):
        walk.single(index)
    walk.final()
    return Architecture(
        id="flux2", component="denoiser", leaves=tuple(walk.out.leaves),
        features={"width": walk.width, "double blocks": walk.number("num_layers"),
                  "single blocks": walk.number("num_single_layers")},
    )


class _Walk:
    """Goes through the blocks once and names every weight in both trees."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.head = self.number("attention_head_dim")
        self.width = self.number("num_attention_heads") * self.head
        self.inner = int(self.width * config["mlp_ratio"])
        self.out = Builder()

    def number(self, field: str) -> int:
        return int(self.config[field])

    def _linear(self, ours: str, theirs: str, out: int, inp: int) -> None:
        self.out.linear(ours, theirs, out, inp, bias=False)

    def embeddings(self) -> None:
        width, channels = self.width, self.number("timestep_guidance_channels")
        kinds = [("timestep_embedder", "time_in")]
        if self.config["guidance_embeds"]:
            kinds.append(("guidance_embedder", "guidance_in"))
        for ours, theirs in kinds:
            ours = f"time_guidance_embed.{ours}"
            self._linear(f"{ours}.linear_1", f"{theirs}.in_layer", width, channels)
            self._linear(f"{ours}.linear_2", f"{theirs}.out_layer", width, width)
        # One modulation for all blocks of a kind, [shift, scale, gate] once or twice.
        for name, sets in (("double_stream_modulation_img", 2), ("double_stream_modulation_txt", 2),
                           ("single_stream_modulation", 1)):
            self._linear(f"{name}.linear", f"{name}.lin", 3 * sets * width, width)
        self._linear("x_embedder", "img_in", width, self.number("in_channels"))
        self._linear("context_embedder", "txt_in", width, self.number("joint_attention_dim"))

    def _norms(self, ours: str, theirs: str) -> None:
        """The norms of queries and keys; `ours` has a place for the letter."""
        for one, name in (("q", "query_norm"), ("k", "key_norm")):
            native = Region(f"{theirs}.norm.{name}", parameter="scale")
            self.out.norm(ours.format(one), native, self.head, bias=False)

    def double(self, index: int) -> None:
        ours, theirs = f"transformer_blocks.{index}", f"double_blocks.{index}"
        width = self.width
        for attention, output, norm, feed_forward, stream in _STREAMS:
            names = [f"{ours}.attn.{attention.format(one)}" for one in "qkv"]
            native = f"{theirs}.{stream}_attn"
            self.out.split([(name, width) for name in names], f"{native}.qkv", width, bias=False)
            self._linear(f"{ours}.attn.{output}", f"{native}.proj", width, width)
            self._norms(f"{ours}.attn.{norm}", native)
            mlp = f"{theirs}.{stream}_mlp"
            self._linear(f"{ours}.{feed_forward}.linear_in", f"{mlp}.0", 2 * self.inner, width)
            self._linear(f"{ours}.{feed_forward}.linear_out", f"{mlp}.2", width, self.inner)

    def single(self, index: int) -> None:
        """One single block: q, k, v, gate and value of the feed-forward are one weight in both."""
        ours, theirs = f"single_transformer_blocks.{index}.attn", f"single_blocks.{index}"
        width, inner = self.width, self.inner
        self._linear(f"{ours}.to_qkv_mlp_proj", f"{theirs}.linear1", 3 * width + 2 * inner, width)
        self._linear(f"{ours}.to_out", f"{theirs}.linear2", width, width + inner)
        self._norms(f"{ours}.norm_{{}}", theirs)

    def final(self) -> None:
        self.out.swapped("norm_out.linear", "final_layer.adaLN_modulation.1", self.width,
                         self.width, bias=False)
        channels = int(self.config.get("out_channels") or self.config["in_channels"])
        self._linear("proj_out", "final_layer.linear", self.number("patch_size") ** 2 * channels,
                     self.width)


DERIVATIONS = {
    "Flux2Transformer2DModel": Derivation(
        flux2_architecture,
        (
            "transformer_blocks_", "single_transformer_blocks_", "time_guidance_embed_",
            "double_stream_modulation_", "single_stream_modulation_", "context_embedder",
            "x_embedder", "norm_out_", "proj_out", "double_blocks_", "single_blocks_", "time_in_",
            "guidance_in_", "txt_in", "img_in", "final_layer_",
        ),
    ),
}
