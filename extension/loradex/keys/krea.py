"""The table of a Krea 2 transformer in diffusers' and in Krea's own names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loradex.keys.architecture import Architecture, Builder, Region
from loradex.keys.derivation import Derivation

# Defaults of diffusers' Krea2Transformer2DModel.
_DEFAULTS: Mapping[str, Any] = {
    "in_channels": 64,
    "num_layers": 28,
    "attention_head_dim": 128,
    "num_attention_heads": 48,
    "num_key_value_heads": 12,
    "intermediate_size": 16384,
    "timestep_embed_dim": 256,
    "text_hidden_dim": 2560,
    "num_text_layers": 12,
    "text_num_attention_heads": 20,
    "text_num_key_value_heads": 20,
    "text_intermediate_size": 6912,
    "num_layerwise_text_blocks": 2,
    "num_refiner_text_blocks": 2,
}


def krea2_architecture(config: Mapping[str, Any]) -> Architecture:
    """The table of the transformer that diffusers' Krea2Transformer2DModel builds.

    The tables of shifts and scales (`scale_shift_table`, `mod.lin`) are parameters of no module
    and no targets.
    """
    full = {**_DEFAULTS, **config}
    head = int(full["attention_head_dim"])
    heads, text_heads = int(full["num_attention_heads"]), int(full["text_num_attention_heads"])
    width, text = heads * head, int(full["text_hidden_dim"])
    walk = _Walk()
    walk.embeddings(full, width)
    block = _Block(width, heads, int(full["num_key_value_heads"]), head,
                   int(full["intermediate_size"]))
    text_block = _Block(text, text_heads, int(full["text_num_key_value_heads"]),
                        text // text_heads, int(full["text_intermediate_size"]))
    walk.text_fusion(full, text_block)
    for index in range(int(full["num_layers"])):
        walk.block(f"transformer_blocks.{index}", f"blocks.{index}", block)
    walk.scale("final_layer.norm", "last.norm", width)
    walk.out.linear("final_layer.linear", "last.linear", int(full["in_channels"]), width)
    return Architecture(
        id="krea2", component="denoiser", leaves=tuple(walk.out.leaves),
        features={"width": width, "blocks": int(full["num_layers"])},
    )


class _Block:
    """The sizes of one block: its width, its heads, theirs, and the middle of its feed-forward."""

    def __init__(self, width: int, heads: int, key_heads: int, head: int, inner: int) -> None:
        self.width, self.head, self.inner = width, head, inner
        self.query, self.key = heads * head, key_heads * head


class _Walk:
    """Goes through the model once and names every weight in both trees."""

    def __init__(self) -> None:
        self.out = Builder()

    def scale(self, ours: str, theirs: str, size: int) -> None:
        """An RMS norm, whose weight the native tree calls `scale`."""
        self.out.norm(ours, Region(theirs, parameter="scale"), size, bias=False)

    def embeddings(self, config: Mapping[str, Any], width: int) -> None:
        out, text = self.out, int(config["text_hidden_dim"])
        out.linear("img_in", "first", width, int(config["in_channels"]))
        out.linear("time_embed.linear_1", "tmlp.0", width, int(config["timestep_embed_dim"]))
        out.linear("time_embed.linear_2", "tmlp.2", width, width)
        out.linear("time_mod_proj", "tproj.1", 6 * width, width)
        self.scale("txt_in.norm", "txtmlp.0", text)
        out.linear("txt_in.linear_1", "txtmlp.1", width, text)
        out.linear("txt_in.linear_2", "txtmlp.3", width, width)

    def text_fusion(self, config: Mapping[str, Any], block: _Block) -> None:
        """What makes one sequence of the text encoder's layers."""
        self.out.linear("text_fusion.projector", "txtfusion.projector", 1,
                        int(config["num_text_layers"]), bias=False)
        for kind, count in (("layerwise", "num_layerwise_text_blocks"),
                            ("refiner", "num_refiner_text_blocks")):
            for index in range(int(config[count])):
                place = f"{kind}_blocks.{index}"
                self.block(f"text_fusion.{place}", f"txtfusion.{place}", block)

    def block(self, ours: str, theirs: str, size: _Block) -> None:
        self.scale(f"{ours}.norm1", f"{theirs}.prenorm", size.width)
        self.scale(f"{ours}.norm2", f"{theirs}.postnorm", size.width)
        for name, place, rows, columns in (
            ("to_q", "wq", size.query, size.width),
            ("to_k", "wk", size.key, size.width),
            ("to_v", "wv", size.key, size.width),
            ("to_gate", "gate", size.query, size.width),
            ("to_out.0", "wo", size.width, size.query),
        ):
            self.out.linear(f"{ours}.attn.{name}", f"{theirs}.attn.{place}", rows, columns,
                            bias=False)
        for one in "qk":
            self.scale(f"{ours}.attn.norm_{one}", f"{theirs}.attn.qknorm.{one}norm", size.head)
        for name, rows, columns in (("gate", size.inner, size.width),
                                    ("up", size.inner, size.width),
                                    ("down", size.width, size.inner)):
            self.out.linear(f"{ours}.ff.{name}", f"{theirs}.mlp.{name}", rows, columns, bias=False)


DERIVATIONS = {
    "Krea2Transformer2DModel": Derivation(
        krea2_architecture,
        (
            "img_in", "time_embed_", "time_mod_proj", "txt_in_", "text_fusion_",
            "transformer_blocks_", "final_layer_", "first", "tmlp_", "tproj_", "txtmlp_",
            "txtfusion_", "blocks_", "last_",
        ),
    ),
}
