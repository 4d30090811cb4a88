"""Reads the configuration of an SD3 or Flux.1 transformer off its names and shapes."""

from __future__ import annotations

from collections.abc import Container, Mapping
from itertools import count

from loradex.keys.derivation import Config
from loradex.keys.targets import Shape, Tree

Shapes = Mapping[str, Shape]
Words = Mapping[str, str]

_SD3: Mapping[Tree, Words] = {
    "native": {
        "image": "x_embedder.proj.weight", "text": "context_embedder.weight",
        "pooled": "y_embedder.mlp.0.weight", "output": "final_layer.linear.weight",
        "block": "joint_blocks.{}.context_block.attn.qkv.weight",
        "dual": "joint_blocks.{}.x_block.attn2.qkv.weight",
        "head": "joint_blocks.0.x_block.attn.ln_q.weight",
    },
    "diffusers": {
        "image": "pos_embed.proj.weight", "text": "context_embedder.weight",
        "pooled": "time_text_embed.text_embedder.linear_1.weight", "output": "proj_out.weight",
        "block": "transformer_blocks.{}.attn.add_q_proj.weight",
        "dual": "transformer_blocks.{}.attn2.to_q.weight",
        "head": "transformer_blocks.0.attn.norm_q.weight",
    },
}
_FLUX: Mapping[Tree, Words] = {
    "native": {
        "image": "img_in.weight", "text": "txt_in.weight", "pooled": "vector_in.in_layer.weight",
        "output": "final_layer.linear.weight", "guidance": "guidance_in.in_layer.weight",
        "double": "double_blocks.{}.img_mod.lin.weight",
        "single": "single_blocks.{}.modulation.lin.weight",
        "head": "double_blocks.0.img_attn.norm.query_norm.scale",
    },
    "diffusers": {
        "image": "x_embedder.weight", "text": "context_embedder.weight",
        "pooled": "time_text_embed.text_embedder.linear_1.weight", "output": "proj_out.weight",
        "guidance": "time_text_embed.guidance_embedder.linear_1.weight",
        "double": "transformer_blocks.{}.norm1.linear.weight",
        "single": "single_transformer_blocks.{}.norm.linear.weight",
        "head": "transformer_blocks.0.attn.norm_q.weight",
    },
}
_EMBEDDERS = ("image", "text", "pooled", "output")


def read_sd3(own: Shapes, tree: Tree) -> Config | None:
    """The configuration of a Stable Diffusion 3 transformer, or None."""
    words = _SD3[tree]
    if [_sides(own, words[name]) for name in _EMBEDDERS] != [4, 2, 2, 2]:
        return None
    image, text, pooled, output = (own[words[name]] for name in _EMBEDDERS)
    width, patch, layers = image[0], image[2], _count(own, words["block"])
    head = own.get(words["head"])
    return {
        **_heads(width, head, 64),
        "patch_size": patch, "in_channels": image[1], "num_layers": layers,
        "out_channels": output[0] // patch ** 2, "joint_attention_dim": text[1],
        "caption_projection_dim": text[0], "pooled_projection_dim": pooled[1],
        "dual_attention_layers": tuple(
            n for n in range(layers) if words["dual"].format(n) in own),
        "qk_norm": "rms_norm" if head else None,
    }


def read_flux(own: Shapes, tree: Tree) -> Config | None:
    """The configuration of a Flux.1 transformer, or None; Flux.2 and Chroma modulate otherwise."""
    words = _FLUX[tree]
    if any(_sides(own, words[name]) != 2 for name in _EMBEDDERS):
        return None
    doubles, singles = _count(own, words["double"]), _count(own, words["single"])
    if not doubles or not singles:
        return None
    image, text, pooled, output = (own[words[name]] for name in _EMBEDDERS)
    return {
        **_heads(image[0], own.get(words["head"]), 128),
        "num_layers": doubles, "num_single_layers": singles,
        "in_channels": image[1], "out_channels": output[0], "joint_attention_dim": text[1],
        "pooled_projection_dim": pooled[1], "guidance_embeds": words["guidance"] in own,
    }


def _sides(own: Shapes, name: str) -> int:
    return len(own.get(name, ()))


def _heads(width: int, norm: Shape | None, usual: int) -> Config:
    """Heads and their size; without norms of heads they show in no shape."""
    head = norm[0] if norm else usual
    if width % head:
        head = width
    return {"attention_head_dim": head, "num_attention_heads": width // head}


def _count(own: Container[str], name: str) -> int:
    return next(number for number in count() if name.format(number) not in own)
