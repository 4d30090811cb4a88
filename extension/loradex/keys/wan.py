"""The table of a Wan 2.1 / 2.2 transformer (and VACE) in diffusers' and in Wan's own names."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from loradex.keys.architecture import Architecture, Builder
from loradex.keys.derivation import Derivation
from loradex.keys.targets import Kind

# Defaults of diffusers' WanTransformer3DModel.
_DEFAULTS: Mapping[str, Any] = {
    "patch_size": (1, 2, 2),
    "num_attention_heads": 40,
    "attention_head_dim": 128,
    "in_channels": 16,
    "out_channels": 16,
    "text_dim": 4096,
    "freq_dim": 256,
    "ffn_dim": 13824,
    "num_layers": 40,
    "cross_attn_norm": True,
    "image_dim": None,
    "added_kv_proj_dim": None,
}
# What WanVACETransformer3DModel adds.
_VACE_DEFAULTS: Mapping[str, Any] = {
    "vace_layers": (0, 5, 10, 15, 20, 25, 30, 35),
    "vace_in_channels": 96,
}
_PROJECTIONS = (("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "o"))


def wan_architecture(config: Mapping[str, Any]) -> Architecture:
    """The table of the transformer that diffusers' WanTransformer3DModel builds.

    The tables of shifts and scales (`scale_shift_table`, `modulation`) are parameters of no
    module and no targets.
    """
    walk = _Walk({**_DEFAULTS, **config})
    walk.embeddings()
    for index in range(int(walk.config["num_layers"])):
        walk.block(f"blocks.{index}")
    return walk.finished("wan")


def wan_vace_architecture(config: Mapping[str, Any]) -> Architecture:
    """The same with the control blocks of diffusers' WanVACETransformer3DModel."""
    walk = _Walk({**_DEFAULTS, **_VACE_DEFAULTS, **config})
    walk.patches("vace_patch_embedding", int(walk.config["vace_in_channels"]))
    walk.embeddings()
    for index in range(int(walk.config["num_layers"])):
        walk.block(f"blocks.{index}")
    for index in range(len(walk.config["vace_layers"])):
        walk.control_block(f"vace_blocks.{index}", first=index == 0)
    return walk.finished("wan-vace")


class _Walk:
    """Goes through the blocks once and names every weight in both trees."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.width = int(config["num_attention_heads"]) * int(config["attention_head_dim"])
        self.out = Builder()

    def patches(self, name: str, channels: int) -> None:
        """A 3D convolution [width, channels, frames, height, width of a patch]."""
        kernel = tuple(int(side) for side in self.config["patch_size"])
        self.out.add(Kind.CONV, (self.width, channels, *kernel), name, name)

    def embeddings(self) -> None:
        width, out, embedder = self.width, self.out, "condition_embedder"
        self.patches("patch_embedding", int(self.config["in_channels"]))
        for one, inp in (("time", self.config["freq_dim"]), ("text", self.config["text_dim"])):
            ours, theirs = f"{embedder}.{one}_embedder", f"{one}_embedding"
            out.linear(f"{ours}.linear_1", f"{theirs}.0", width, int(inp))
            out.linear(f"{ours}.linear_2", f"{theirs}.2", width, width)
        out.linear(f"{embedder}.time_proj", "time_projection.1", 6 * width, width)
        if self.config["image_dim"] is not None:
            self._image_embedder(f"{embedder}.image_embedder", int(self.config["image_dim"]))

    def _image_embedder(self, ours: str, size: int) -> None:
        self.out.norm(f"{ours}.norm1", "img_emb.proj.0", size)
        self.out.linear(f"{ours}.ff.net.0.proj", "img_emb.proj.1", size, size)
        self.out.linear(f"{ours}.ff.net.2", "img_emb.proj.3", self.width, size)
        self.out.norm(f"{ours}.norm2", "img_emb.proj.4", self.width)

    def block(self, name: str) -> None:
        width, out = self.width, self.out
        self._attention(f"{name}.attn1", f"{name}.self_attn")
        self._attention(f"{name}.attn2", f"{name}.cross_attn")
        added = self.config["added_kv_proj_dim"]
        if added is not None:  # the image's tokens have their own keys and values (I2V of 2.1)
            for one in "kv":
                out.linear(f"{name}.attn2.add_{one}_proj", f"{name}.cross_attn.{one}_img", width,
                           int(added))
            out.norm(f"{name}.attn2.norm_added_k", f"{name}.cross_attn.norm_k_img", width,
                     bias=False)
        if self.config["cross_attn_norm"]:  # the two trees number their norms apart
            out.norm(f"{name}.norm2", f"{name}.norm3", width)
        inner = int(self.config["ffn_dim"])
        out.linear(f"{name}.ffn.net.0.proj", f"{name}.ffn.0", inner, width)
        out.linear(f"{name}.ffn.net.2", f"{name}.ffn.2", width, inner)

    def _attention(self, ours: str, theirs: str) -> None:
        for one, other in _PROJECTIONS:
            self.out.linear(f"{ours}.{one}", f"{theirs}.{other}", self.width, self.width)
        for one in "qk":  # over all heads, so as wide as the block
            self.out.norm(f"{ours}.norm_{one}", f"{theirs}.norm_{one}", self.width, bias=False)

    def control_block(self, name: str, *, first: bool) -> None:
        if first:
            self.out.linear(f"{name}.proj_in", f"{name}.before_proj", self.width, self.width)
        self.block(name)
        self.out.linear(f"{name}.proj_out", f"{name}.after_proj", self.width, self.width)

    def finished(self, name: str) -> Architecture:
        channels = int(self.config["out_channels"] or self.config["in_channels"])
        patch = prod(int(side) for side in self.config["patch_size"])
        self.out.linear("proj_out", "head.head", patch * channels, self.width)
        return Architecture(
            id=name, component="denoiser", leaves=tuple(self.out.leaves),
            features={"width": self.width, "blocks": int(self.config["num_layers"]),
                      "control blocks": len(self.config.get("vace_layers", ()))},
        )


_OPENINGS = (
    "blocks_", "patch_embedding", "condition_embedder_", "proj_out", "time_embedding_",
    "text_embedding_", "time_projection_", "img_emb_", "head_head",
)

DERIVATIONS = {
    "WanTransformer3DModel": Derivation(wan_architecture, _OPENINGS),
    "WanVACETransformer3DModel": Derivation(
        wan_vace_architecture, (*_OPENINGS, "vace_blocks_", "vace_patch_embedding")
    ),
}
