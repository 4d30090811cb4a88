"""The tables of HunyuanVideo, HunyuanVideo 1.5, FramePack and HunyuanImage 2.1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loradex.keys.architecture import Architecture, Leaf, Region
from loradex.keys.derivation import Derivation
from loradex.keys.dit import linear_pair
from loradex.keys.hunyuan_blocks import Walk
from loradex.keys.targets import Kind

# Defaults of diffusers' HunyuanVideoTransformer3DModel.
_VIDEO: Mapping[str, Any] = {
    "in_channels": 16,
    "out_channels": 16,
    "num_attention_heads": 24,
    "attention_head_dim": 128,
    "num_layers": 20,
    "num_single_layers": 40,
    "num_refiner_layers": 2,
    "mlp_ratio": 4.0,
    "patch_size": 2,
    "patch_size_t": 1,
    "qk_norm": "rms_norm",
    "guidance_embeds": True,
    "text_embed_dim": 4096,
    "pooled_projection_dim": 768,
}
# What HunyuanVideoFramepackTransformer3DModel adds; the last is ours.
_FRAMEPACK: Mapping[str, Any] = {
    **_VIDEO,
    "has_image_proj": False,
    "image_proj_dim": 1152,
    "has_clean_x_embedder": False,
    "original_names": True,
}
# Defaults of diffusers' HunyuanVideo15Transformer3DModel.
_VIDEO_15: Mapping[str, Any] = {
    "in_channels": 65,
    "out_channels": 32,
    "num_attention_heads": 16,
    "attention_head_dim": 128,
    "num_layers": 54,
    "num_refiner_layers": 2,
    "mlp_ratio": 4.0,
    "patch_size": 1,
    "patch_size_t": 1,
    "qk_norm": "rms_norm",
    "text_embed_dim": 3584,
    "text_embed_2_dim": 1472,
    "image_embed_dim": 1152,
    "use_meanflow": False,
}
# Defaults of diffusers' HunyuanImageTransformer2DModel.
_IMAGE: Mapping[str, Any] = {
    "in_channels": 64,
    "out_channels": 64,
    "num_attention_heads": 28,
    "attention_head_dim": 128,
    "num_layers": 20,
    "num_single_layers": 40,
    "num_refiner_layers": 2,
    "mlp_ratio": 4.0,
    "patch_size": (1, 1),
    "qk_norm": "rms_norm",
    "guidance_embeds": False,
    "text_embed_dim": 3584,
    "text_embed_2_dim": None,
    "use_meanflow": False,
}


def hunyuan_video_architecture(config: Mapping[str, Any]) -> Architecture:
    """The table of the transformer that diffusers' HunyuanVideoTransformer3DModel builds.

    ComfyUI's names for it are left out: they are Flux.1's, with Flux.1's shapes, so that every
    file for that would be one for this.
    """
    walk = Walk({**_VIDEO, **config}, rewritten=False)
    patch = _patch(walk.config)
    walk.patches("x_embedder.proj", "img_in.proj", patch)
    return _video(walk, "hunyuan-video", patch)


def framepack_architecture(config: Mapping[str, Any]) -> Architecture:
    """The table of the transformer that HunyuanVideoFramepackTransformer3DModel builds.

    It was published in diffusers' names alone, but takes HunyuanVideo's networks, so that a
    loaded model answers to those names too. `original_names` switches that off.
    """
    walk = Walk({**_FRAMEPACK, **config}, rewritten=False)
    patch = _patch(walk.config)
    walk.patches("x_embedder.proj", "img_in.proj", patch)
    if walk.config["has_clean_x_embedder"]:
        for name, times in (("proj", 1), ("proj_2x", 2), ("proj_4x", 4)):
            place = f"clean_x_embedder.{name}"
            walk.patches(place, place, tuple(times * side for side in patch))
    if walk.config["has_image_proj"]:
        inp, inner = int(walk.config["image_proj_dim"]), 3 * walk.width
        for name, rows, columns in (("up", inner, inp), ("down", walk.width, inner)):
            place = f"image_projection.{name}"
            walk.out.linear(place, place, rows, columns)
    found = _video(walk, "framepack", patch)
    return found if walk.config["original_names"] else _renamed(found)


def _patch(config: Mapping[str, Any]) -> tuple[int, int, int]:
    side = int(config["patch_size"])
    return int(config["patch_size_t"]), side, side


def _video(walk: Walk, name: str, patch: tuple[int, ...]) -> Architecture:
    """What HunyuanVideo and FramePack have in common: everything but the ways in."""
    walk.token_refiner()
    walk.embedder("time_text_embed.timestep_embedder", "time_in.mlp")
    pooled = int(walk.config["pooled_projection_dim"])
    linear_pair(walk.out, "time_text_embed.text_embedder",
                ("vector_in.in_layer", "vector_in.out_layer"), pooled, walk.width)
    if walk.config["guidance_embeds"]:
        walk.embedder("time_text_embed.guidance_embedder", "guidance_in.mlp")
    _blocks(walk)
    return walk.finished(name, patch)


def _blocks(walk: Walk) -> None:
    for index in range(int(walk.config["num_layers"])):
        walk.double_block(index)
    for index in range(int(walk.config.get("num_single_layers", 0))):
        walk.single_block(index)


def _renamed(found: Architecture) -> Architecture:
    """The same table with diffusers' names in both trees."""
    leaves = tuple(
        Leaf(one.kind, one.shape, one.bias, one.diffusers, one.diffusers) for one in found.leaves
    )
    return Architecture(found.id, found.component, leaves, features=found.features)


def hunyuan_video_15_architecture(config: Mapping[str, Any]) -> Architecture:
    """The table of the transformer that diffusers' HunyuanVideo15Transformer3DModel builds."""
    walk = Walk({**_VIDEO_15, **config}, split=True)
    patch = _patch(walk.config)
    walk.patches("x_embedder.proj", "img_in.proj", patch)
    inp, width = int(walk.config["image_embed_dim"]), walk.width
    walk.out.norm("image_embedder.norm_in", "vision_in.proj.0", inp)
    walk.out.linear("image_embedder.linear_1", "vision_in.proj.1", inp, inp)
    walk.out.linear("image_embedder.linear_2", "vision_in.proj.3", width, inp)
    walk.out.norm("image_embedder.norm_out", "vision_in.proj.4", width)
    walk.token_refiner()
    walk.glyph_projection(int(walk.config["text_embed_2_dim"]))
    walk.embedder("time_embed.timestep_embedder", "time_in.mlp")
    if walk.config["use_meanflow"]:
        walk.embedder("time_embed.timestep_embedder_r", "time_r_in.mlp")
    walk.out.add(Kind.EMBEDDING, (3, width), Region("cond_type_embed"),
                 Region("cond_type_embedding"), bias=False)
    _blocks(walk)
    return walk.finished("hunyuan-video-1.5", patch)


def hunyuan_image_architecture(config: Mapping[str, Any]) -> Architecture:
    """The table of the transformer that diffusers' HunyuanImageTransformer2DModel builds."""
    walk = Walk({**_IMAGE, **config})
    patch = tuple(int(side) for side in walk.config["patch_size"])
    walk.patches("x_embedder.proj", "img_in.proj", patch)
    walk.token_refiner()
    if walk.config["text_embed_2_dim"] is not None:
        walk.glyph_projection(int(walk.config["text_embed_2_dim"]))
    embedders = "time_guidance_embed"
    walk.embedder(f"{embedders}.timestep_embedder", "time_in.mlp")
    if walk.config["use_meanflow"]:
        walk.embedder(f"{embedders}.timestep_embedder_r", "time_r_in.mlp")
    if walk.config["guidance_embeds"]:
        walk.embedder(f"{embedders}.guidance_embedder", "guidance_in.mlp")
    _blocks(walk)
    return walk.finished("hunyuan-image", patch)


_OPENINGS = (
    "x_embedder_", "context_embedder_", "transformer_blocks_", "norm_out_", "proj_out", "img_in_",
    "txt_in_", "time_in_", "double_blocks_", "final_layer_",
)
_VIDEO_OPENINGS = (
    *_OPENINGS, "time_text_embed_", "single_transformer_blocks_", "single_blocks_", "vector_in_",
    "guidance_in_",
)

DERIVATIONS = {
    "HunyuanVideoTransformer3DModel": Derivation(hunyuan_video_architecture, _VIDEO_OPENINGS),
    "HunyuanVideoFramepackTransformer3DModel": Derivation(
        framepack_architecture, (*_VIDEO_OPENINGS, "clean_x_embedder_", "image_projection_")
    ),
    "HunyuanVideo15Transformer3DModel": Derivation(
        hunyuan_video_15_architecture,
        (*_OPENINGS, "image_embedder_", "vision_in_", "byt5_in_", "time_embed_", "time_r_in_",
         "cond_type_embed"),
    ),
    "HunyuanImageTransformer2DModel": Derivation(
        hunyuan_image_architecture,
        (*_OPENINGS, "single_transformer_blocks_", "single_blocks_", "byt5_in_",
         "time_guidance_embed_", "time_r_in_", "guidance_in_"),
    ),
}
