"""The parts that the transformers of the HunyuanVideo lineage share, in both trees' names."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from loradex.keys.architecture import Architecture, Builder, Leaf
from loradex.keys.dit import MLP_RATIO, TIME_CHANNELS, linear_pair, sequence
from loradex.keys.targets import Kind

# Per stream of a double block: our attention names, our feed-forward, our adaLN, theirs.
_STREAMS = (
    ("to_{}", "to_out.0", "norm_{}", "ff", "norm1", "img"),
    ("add_{}_proj", "to_add_out", "norm_added_{}", "ff_context", "norm1_context", "txt"),
)

Aliases = dict[str, tuple[Leaf, ...]]


class Walk:
    """Goes through a model once and names every weight in both trees.

    `rewritten` says that files also carry the names that ComfyUI gives the model (those of
    Flux.1), `split` that the native tree keeps q, k and v of the double blocks apart.
    """

    def __init__(
        self, config: Mapping[str, Any], *, rewritten: bool = True, split: bool = False
    ) -> None:
        self.config = config
        self.rewritten, self.split = rewritten, split
        self.head = int(config["attention_head_dim"])
        self.width = int(config["num_attention_heads"]) * self.head
        self.out = Builder()
        self.aliases: Aliases = {}

    def also(self, name: str, *leaves: Leaf) -> None:
        """Another name that files use for these leaves, one under the other."""
        self.aliases[name] = leaves

    def patches(self, ours: str, theirs: str, kernel: tuple[int, ...]) -> None:
        """A convolution [width, channels, *kernel]."""
        shape = (self.width, int(self.config["in_channels"]), *kernel)
        self.out.add(Kind.CONV, shape, ours, theirs)

    def embedder(self, ours: str, theirs: str) -> None:
        """Two linears, as the embedders of time and guidance have them."""
        linear_pair(self.out, ours, sequence(theirs), TIME_CHANNELS, self.width)

    def token_refiner(self) -> None:
        """The transformer over the text's tokens, `context_embedder` and `txt_in`."""
        width, inp = self.width, int(self.config["text_embed_dim"])
        embedders = "context_embedder.time_text_embed"
        self.embedder(f"{embedders}.timestep_embedder", "txt_in.t_embedder.mlp")
        linear_pair(self.out, f"{embedders}.text_embedder",
                    ("txt_in.c_embedder.linear_1", "txt_in.c_embedder.linear_2"), inp, width)
        self.out.linear("context_embedder.proj_in", "txt_in.input_embedder", width, inp)
        for index in range(int(self.config["num_refiner_layers"])):
            self._refiner_block(f"context_embedder.token_refiner.refiner_blocks.{index}",
                                f"txt_in.individual_token_refiner.blocks.{index}")

    def _refiner_block(self, ours: str, theirs: str) -> None:
        width, out, inner = self.width, self.out, MLP_RATIO * self.width
        out.norm(f"{ours}.norm1", f"{theirs}.norm1", width)
        out.split([(f"{ours}.attn.to_{one}", width) for one in "qkv"],
                  f"{theirs}.self_attn_qkv", width)
        out.linear(f"{ours}.attn.to_out.0", f"{theirs}.self_attn_proj", width, width)
        out.norm(f"{ours}.norm2", f"{theirs}.norm2", width)
        first = out.linear(f"{ours}.ff.net.0.proj", f"{theirs}.mlp.fc1", inner, width)
        second = out.linear(f"{ours}.ff.net.2", f"{theirs}.mlp.fc2", width, inner)
        if self.rewritten:
            self.also(f"{theirs}.mlp.0", first)
            self.also(f"{theirs}.mlp.2", second)
        out.linear(f"{ours}.norm_out.linear", f"{theirs}.adaLN_modulation.1", 2 * width, width)

    def glyph_projection(self, inp: int, hidden: int = 2048) -> None:
        """What takes the second text encoder's states, `context_embedder_2` and `byt5_in`."""
        ours, theirs = "context_embedder_2", "byt5_in"
        self.out.norm(f"{ours}.norm", f"{theirs}.layernorm", inp)
        sizes = ((hidden, inp), (hidden, hidden), (self.width, hidden))
        for index, (rows, columns) in enumerate(sizes, 1):
            self.out.linear(f"{ours}.linear_{index}", f"{theirs}.fc{index}", rows, columns)

    def double_block(self, index: int) -> None:
        """One block of two streams, image and text."""
        ours, theirs = f"transformer_blocks.{index}", f"double_blocks.{index}"
        inner = int(self.width * float(self.config["mlp_ratio"]))
        for attention, output, norm, feed_forward, adaptive, stream in _STREAMS:
            place = f"{theirs}.{stream}"
            modulation = self.out.linear(f"{ours}.{adaptive}.linear", f"{place}_mod.linear",
                                         6 * self.width, self.width)
            self._attention([f"{ours}.attn.{attention.format(one)}" for one in "qkv"],
                            f"{place}_attn")
            self.out.linear(f"{ours}.attn.{output}", f"{place}_attn_proj", self.width, self.width)
            self._norms(f"{ours}.attn.{norm}", f"{place}_attn_{{}}_norm")
            first = self.out.linear(f"{ours}.{feed_forward}.net.0.proj", f"{place}_mlp.fc1",
                                    inner, self.width)
            second = self.out.linear(f"{ours}.{feed_forward}.net.2", f"{place}_mlp.fc2",
                                     self.width, inner)
            if self.rewritten:
                self.also(f"{place}_mod.lin", modulation)
                self.also(f"{place}_mlp.0", first)
                self.also(f"{place}_mlp.2", second)

    def _attention(self, ours: list[str], theirs: str) -> None:
        """q, k and v: rows of one weight in one form of the native tree, apart in the other."""
        apart = [f"{theirs}_{one}" for one in "qkv"]
        if not self.split:
            leaves = self.out.split([(name, self.width) for name in ours], f"{theirs}_qkv",
                                    self.width)
            for name, leaf in zip(apart, leaves, strict=True):
                self.also(name, leaf)
            return
        self.also(f"{theirs}_qkv", *(
            self.out.linear(name, place, self.width, self.width)
            for name, place in zip(ours, apart, strict=True)
        ))

    def _norms(self, ours: str, theirs: str) -> None:
        if self.config["qk_norm"]:
            for one in "qk":
                self.out.norm(ours.format(one), theirs.format(one), self.head, bias=False)

    def single_block(self, index: int) -> None:
        """One block of the joined streams."""
        ours, theirs = f"single_transformer_blocks.{index}", f"single_blocks.{index}"
        width, inner = self.width, int(self.width * float(self.config["mlp_ratio"]))
        modulation = self.out.linear(f"{ours}.norm.linear", f"{theirs}.modulation.linear",
                                     3 * width, width)
        parts = [(f"{ours}.attn.to_{one}", width) for one in "qkv"]
        leaves = self.out.split([*parts, (f"{ours}.proj_mlp", inner)], f"{theirs}.linear1", width)
        second = self.out.linear(f"{ours}.proj_out", f"{theirs}.linear2", width, width + inner)
        self._norms(f"{ours}.attn.norm_{{}}", f"{theirs}.{{}}_norm")
        if self.rewritten:
            self.also(f"{theirs}.modulation.lin", modulation)
            # The form that the image model takes while it runs in parallel.
            for name, leaf in zip(("q", "k", "v", "mlp"), leaves, strict=True):
                self.also(f"{theirs}.linear1_{name}", leaf)
            self.also(f"{theirs}.linear2.fc", second)

    def finished(self, name: str, patch: tuple[int, ...]) -> Architecture:
        """The final layer, and the table of everything."""
        channels = int(self.config["out_channels"] or self.config["in_channels"])
        self.out.swapped("norm_out.linear", "final_layer.adaLN_modulation.1", self.width,
                         self.width)
        self.out.linear("proj_out", "final_layer.linear", prod(patch) * channels, self.width)
        features = {"width": self.width, "double blocks": int(self.config["num_layers"])}
        if "num_single_layers" in self.config:
            features["single blocks"] = int(self.config["num_single_layers"])
        return Architecture(
            id=name, component="denoiser", leaves=tuple(self.out.leaves), aliases=self.aliases,
            features=features,
        )
