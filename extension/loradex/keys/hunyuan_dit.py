"""The table of a HunyuanDiT transformer in diffusers' and in Tencent's own names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loradex.keys.architecture import Architecture, Builder
from loradex.keys.derivation import Derivation
from loradex.keys.dit import TIME_CHANNELS, feed_forward, linear_pair, sequence
from loradex.keys.targets import Kind

# Defaults of diffusers' HunyuanDiT2DModel; the channels and the patch size have none there.
_DEFAULTS: Mapping[str, Any] = {
    "num_attention_heads": 16,
    "attention_head_dim": 88,
    "in_channels": 4,
    "patch_size": 2,
    "hidden_size": 1152,
    "num_layers": 28,
    "mlp_ratio": 4.0,
    "learn_sigma": True,
    "cross_attention_dim": 1024,
    "cross_attention_dim_t5": 2048,
    "pooled_projection_dim": 1024,
    "use_style_cond_and_image_meta_size": True,
}
_IMAGE_SIZES = 6  # height, width and crop of the original and the target
_TEXT_RATIO = 4


def hunyuan_dit_architecture(config: Mapping[str, Any]) -> Architecture:
    """The table of the transformer that diffusers' HunyuanDiT2DModel builds.

    The native names are those that diffusers' convert_hunyuandit_to_diffusers.py reads. It swaps
    `norm2` and `norm3` of each block, so that those names alone do not tell what they mean.
    """
    walk = _Walk({**_DEFAULTS, **config})
    walk.embeddings()
    for index in range(walk.depth):
        walk.block(index)
    walk.final()
    swapped = {f"blocks.{index}.norm{one}" for index in range(walk.depth) for one in (2, 3)}
    return Architecture(
        id="hunyuan_dit", component="denoiser", leaves=tuple(walk.out.leaves),
        features={"width": walk.width, "blocks": walk.depth}, ambiguous=frozenset(swapped),
    )


class _Walk:
    """Goes through the blocks once and names every weight in both trees."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.head = int(config["attention_head_dim"])
        self.width = int(config["num_attention_heads"]) * self.head
        self.depth = int(config["num_layers"])
        self.out = Builder()

    def embeddings(self) -> None:
        config, out, hidden = self.config, self.out, int(self.config["hidden_size"])
        text, pooled = int(config["cross_attention_dim_t5"]), int(config["pooled_projection_dim"])
        linear_pair(out, "text_embedder", sequence("mlp_t5"), text, _TEXT_RATIO * text,
                    int(config["cross_attention_dim"]))
        out.conv("pos_embed.proj", "x_embedder.proj", hidden, int(config["in_channels"]),
                 int(config["patch_size"]))
        linear_pair(out, "time_extra_emb.timestep_embedder", sequence("t_embedder.mlp"),
                    TIME_CHANNELS, hidden)
        for one, rows in (("k", text), ("q", text), ("v", text), ("c", pooled)):
            out.linear(f"time_extra_emb.pooler.{one}_proj", f"pooler.{one}_proj", rows, text)
        extra = pooled
        if config["use_style_cond_and_image_meta_size"]:
            extra += _IMAGE_SIZES * TIME_CHANNELS + hidden
            out.add(Kind.EMBEDDING, (1, hidden), "time_extra_emb.style_embedder", "style_embedder",
                    bias=False)
        linear_pair(out, "time_extra_emb.extra_embedder", sequence("extra_embedder"), extra,
                    4 * hidden, hidden)

    def block(self, index: int) -> None:
        name, out, width = f"blocks.{index}", self.out, self.width
        out.linear(f"{name}.norm1.linear", f"{name}.default_modulation.1", width, width)
        for ours, theirs in (("norm1.norm", "norm1"), ("norm2", "norm3"), ("norm3", "norm2")):
            out.norm(f"{name}.{ours}", f"{name}.{theirs}", width)
        self._attention(name)
        inner = int(width * float(self.config["mlp_ratio"]))
        feed_forward(out, f"{name}.ff", (f"{name}.mlp.fc1", f"{name}.mlp.fc2"), inner, width)
        if index > self.depth // 2:  # the second half takes what the first half has put out
            out.norm(f"{name}.skip_norm", f"{name}.skip_norm", 2 * width)
            out.linear(f"{name}.skip_linear", f"{name}.skip_linear", width, 2 * width)

    def _attention(self, name: str) -> None:
        out, width, context = self.out, self.width, int(self.config["cross_attention_dim"])
        parts = [(f"{name}.attn1.to_{one}", width) for one in "qkv"]
        out.split(parts, f"{name}.attn1.Wqkv", width)
        out.linear(f"{name}.attn2.to_q", f"{name}.attn2.q_proj", width, width)
        parts = [(f"{name}.attn2.to_{one}", width) for one in "kv"]
        out.split(parts, f"{name}.attn2.kv_proj", context)
        for attention in (f"{name}.attn1", f"{name}.attn2"):
            out.linear(f"{attention}.to_out.0", f"{attention}.out_proj", width, width)
            for one in "qk":
                out.norm(f"{attention}.norm_{one}", f"{attention}.{one}_norm", self.head)

    def final(self) -> None:
        config = self.config
        self.out.swapped("norm_out.linear", "final_layer.adaLN_modulation.1", self.width,
                         self.width)
        channels = int(config["in_channels"]) * (2 if config["learn_sigma"] else 1)
        self.out.linear("proj_out", "final_layer.linear",
                        int(config["patch_size"]) ** 2 * channels, self.width)


DERIVATIONS = {
    "HunyuanDiT2DModel": Derivation(
        hunyuan_dit_architecture,
        (
            "blocks_", "text_embedder_", "pos_embed_", "time_extra_emb_", "norm_out_", "proj_out",
            "mlp_t5_", "x_embedder_", "t_embedder_", "pooler_", "style_embedder", "extra_embedder_",
            "final_layer_",
        ),
    ),
}
