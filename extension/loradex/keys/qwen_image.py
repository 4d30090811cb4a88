"""The tables of Qwen-Image, whose names are the same in both trees, and of Qwen-Image 2.1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loradex.keys.architecture import Architecture, Builder
from loradex.keys.derivation import Derivation
from loradex.keys.dit import MLP_RATIO, TIME_CHANNELS, same_linear
from loradex.keys.targets import Kind

# Defaults of diffusers' QwenImageTransformer2DModel.
_DEFAULTS: Mapping[str, Any] = {
    "patch_size": 2,
    "in_channels": 64,
    "out_channels": 16,
    "num_layers": 60,
    "attention_head_dim": 128,
    "num_attention_heads": 24,
    "joint_attention_dim": 3584,
    "use_additional_t_cond": False,
}
# Defaults of diffusers' QwenImage21Transformer2DModel.
_DEFAULTS_21: Mapping[str, Any] = {
    "patch_size": 1,
    "in_channels": 64,
    "out_channels": 64,
    "num_layers": 32,
    "attention_head_dim": 128,
    "num_attention_heads": 32,
    "context_in_dim": 4096,
    "mlp_ratio": 3,
}
# Per stream of a block: its attention's inputs, output and norms.
_STREAMS = (
    ("img", "to_{}", "to_out.0", "norm_{}"),
    ("txt", "add_{}_proj", "to_add_out", "norm_added_{}"),
)


def qwen_image_architecture(config: Mapping[str, Any]) -> Architecture:
    """The table of the transformer that diffusers' QwenImageTransformer2DModel builds."""
    full = {**_DEFAULTS, **config}
    head = int(full["attention_head_dim"])
    width = int(full["num_attention_heads"]) * head
    out = Builder()
    _embeddings(out, full, width)
    for index in range(int(full["num_layers"])):
        _block(out, f"transformer_blocks.{index}", width, head)
    same_linear(out, "norm_out.linear", 2 * width, width)
    channels = int(full["out_channels"] or full["in_channels"])
    same_linear(out, "proj_out", int(full["patch_size"]) ** 2 * channels, width)
    return Architecture(
        id="qwen-image", component="denoiser", leaves=tuple(out.leaves),
        features={"width": width, "blocks": int(full["num_layers"])},
    )


def _scale(out: Builder, name: str, size: int) -> None:
    out.norm(name, name, size, bias=False)


def _embeddings(out: Builder, config: Mapping[str, Any], width: int) -> None:
    text = int(config["joint_attention_dim"])
    embedder = "time_text_embed.timestep_embedder"
    same_linear(out, f"{embedder}.linear_1", width, TIME_CHANNELS)
    same_linear(out, f"{embedder}.linear_2", width, width)
    if config["use_additional_t_cond"]:  # the layered model
        name = "time_text_embed.addition_t_embedding"
        out.add(Kind.EMBEDDING, (2, width), name, name, bias=False)
    _scale(out, "txt_norm", text)
    same_linear(out, "img_in", width, int(config["in_channels"]))
    same_linear(out, "txt_in", width, text)


def _block(out: Builder, name: str, width: int, head: int) -> None:
    for stream, attention, output, norm in _STREAMS:
        same_linear(out, f"{name}.{stream}_mod.1", 6 * width, width)
        for one in "qkv":
            same_linear(out, f"{name}.attn.{attention.format(one)}", width, width)
        same_linear(out, f"{name}.attn.{output}", width, width)
        for one in "qk":
            _scale(out, f"{name}.attn.{norm.format(one)}", head)
        same_linear(out, f"{name}.{stream}_mlp.net.0.proj", MLP_RATIO * width, width)
        same_linear(out, f"{name}.{stream}_mlp.net.2", width, MLP_RATIO * width)


def qwen_image_21_architecture(config: Mapping[str, Any]) -> Architecture:
    """The table of the transformer that diffusers' QwenImage21Transformer2DModel builds.

    No linear has a bias. The native tree is ComfyUI's, which fuses the two halves of a gated
    feed-forward.
    """
    full = {**_DEFAULTS_21, **config}
    head, patch = int(full["attention_head_dim"]), int(full["patch_size"]) ** 2
    width, text = int(full["num_attention_heads"]) * head, int(full["context_in_dim"])
    out = Builder()
    shapes = {
        "time_text_embed.timestep_embedder.linear_1": (width, TIME_CHANNELS),
        "time_text_embed.timestep_embedder.linear_2": (width, width),
        "txt_in.in_layer": (width, text),
        "txt_in.out_layer": (width, width),
        "img_in": (width, patch * int(full["in_channels"])),
        "modulation.1": (4 * width, width),
        "norm_out.linear": (width, width),
        "proj_out": (patch * int(full["out_channels"] or full["in_channels"]), width),
    }
    for name, shape in shapes.items():
        same_linear(out, name, *shape, bias=False)
    _scale(out, "txt_in.text_norm", text)
    for index in range(int(full["num_layers"])):
        _block_21(out, f"transformer_blocks.{index}", width, head, int(full["mlp_ratio"]) * width)
    return Architecture(
        id="qwen-image-2.1", component="denoiser", leaves=tuple(out.leaves),
        features={"width": width, "blocks": int(full["num_layers"])},
    )


def _block_21(out: Builder, name: str, width: int, head: int, inner: int) -> None:
    for one in ("to_q", "to_k", "to_v", "to_out.0"):
        same_linear(out, f"{name}.attn.{one}", width, width, bias=False)
    for one in "qk":
        _scale(out, f"{name}.attn.norm_{one}", head)
    halves = [(f"{name}.img_mlp.{one}", inner) for one in ("gate_layer", "proj")]
    out.split(halves, f"{name}.img_mlp.gate_up", width, bias=False)
    same_linear(out, f"{name}.img_mlp.out", width, inner, bias=False)


DERIVATIONS = {
    "QwenImageTransformer2DModel": Derivation(
        qwen_image_architecture,
        ("transformer_blocks_", "time_text_embed_", "txt_norm", "img_in", "txt_in", "norm_out_",
         "proj_out"),
    ),
    "QwenImage21Transformer2DModel": Derivation(
        qwen_image_21_architecture,
        ("transformer_blocks_", "time_text_embed_", "img_in", "txt_in_", "modulation_1",
         "norm_out_", "proj_out"),
    ),
}
