"""The tables of Lumina Image 2 and Z-Image in diffusers' and in Lumina's own names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loradex.keys.architecture import Architecture, Builder
from loradex.keys.derivation import Derivation
from loradex.keys.dit import (
    MLP_RATIO,
    TIME_CHANNELS,
    gated,
    linear_pair,
    rounded_up,
    same_linear,
    sequence,
)

# Defaults of diffusers' Lumina2Transformer2DModel.
_LUMINA2: Mapping[str, Any] = {
    "patch_size": 2,
    "in_channels": 16,
    "out_channels": None,
    "hidden_size": 2304,
    "num_layers": 26,
    "num_refiner_layers": 2,
    "num_attention_heads": 24,
    "num_kv_heads": 8,
    "multiple_of": 256,
    "ffn_dim_multiplier": None,
    "cap_feat_dim": 1024,
}
# Defaults of diffusers' ZImageTransformer2DModel.
_Z_IMAGE: Mapping[str, Any] = {
    "all_patch_size": (2,),
    "all_f_patch_size": (1,),
    "in_channels": 16,
    "dim": 3840,
    "n_layers": 30,
    "n_refiner_layers": 2,
    "n_heads": 30,
    "qk_norm": True,
    "cap_feat_dim": 2560,
    "siglip_feat_dim": None,
}
_LUMINA2_MODULATION = 1024
_Z_IMAGE_MODULATION = 256
_Z_IMAGE_TIME_INNER = 1024


@dataclass(frozen=True)
class _Names:
    """What differs between the two classes' names in diffusers; the native names are one set."""

    attention: str
    feed_forward: str
    first_norm: str
    second_norm: str
    modulation: str
    native_modulation: str


_LUMINA2_NAMES = _Names(
    "attn", "linear_", "norm1.norm", "norm2", "norm1.linear", "adaLN_modulation.1"
)
# Without modulation diffusers' norm1 is the norm itself.
_LUMINA2_PLAIN = _Names("attn", "linear_", "norm1", "norm2", "", "")
_Z_IMAGE_NAMES = _Names(
    "attention", "w", "attention_norm1", "attention_norm2", "adaLN_modulation.0",
    "adaLN_modulation.0",
)
_Z_IMAGE_PLAIN = _Names("attention", "w", "attention_norm1", "attention_norm2", "", "")


@dataclass(frozen=True)
class _Sizes:
    """The widths of a block; `modulation` is the embedding's that modulates it."""

    width: int
    head: int
    key_value: int
    inner: int
    modulation: int
    normalised: bool = True


def lumina2_architecture(config: Mapping[str, Any]) -> Architecture:
    """The table of the transformer that diffusers' Lumina2Transformer2DModel builds.

    k and v have fewer heads than q. The native tree's `norm_final` is used by nothing and is left
    out, as diffusers does.
    """
    full = {**_LUMINA2, **config}
    width, out = int(full["hidden_size"]), Builder()
    sizes = _lumina2_sizes(full)
    patch = int(full["patch_size"]) ** 2
    same_linear(out, "x_embedder", width, patch * int(full["in_channels"]))
    linear_pair(out, "time_caption_embed.timestep_embedder", sequence("t_embedder.mlp"),
                TIME_CHANNELS, sizes.modulation)
    _caption(out, "time_caption_embed.caption_embedder", "cap_embedder",
             int(full["cap_feat_dim"]), width)
    refiners, layers = int(full["num_refiner_layers"]), int(full["num_layers"])
    for group, count, names in (("noise_refiner", refiners, _LUMINA2_NAMES),
                                ("context_refiner", refiners, _LUMINA2_PLAIN),
                                ("layers", layers, _LUMINA2_NAMES)):
        _blocks(out, group, count, sizes, names)
    out.linear("norm_out.linear_1", "final_layer.adaLN_modulation.1", width, sizes.modulation)
    channels = int(full["out_channels"] or full["in_channels"])
    out.linear("norm_out.linear_2", "final_layer.linear", patch * channels, width)
    return Architecture(id="lumina2", component="denoiser", leaves=tuple(out.leaves),
                        features={"width": width, "layers": layers})


def _lumina2_sizes(config: Mapping[str, Any]) -> _Sizes:
    width = int(config["hidden_size"])
    head = width // int(config["num_attention_heads"])
    inner = int((config["ffn_dim_multiplier"] or 1) * MLP_RATIO * width)
    return _Sizes(width, head, head * int(config["num_kv_heads"]),
                  rounded_up(inner, int(config["multiple_of"])), min(width, _LUMINA2_MODULATION))


def z_image_architecture(config: Mapping[str, Any]) -> Architecture:
    """The table of the transformer that diffusers' ZImageTransformer2DModel builds.

    The native tree has one patch size, which diffusers calls 2-1; others keep diffusers' names.
    """
    full = {**_Z_IMAGE, **config}
    width, out = int(full["dim"]), Builder()
    modulation = min(width, _Z_IMAGE_MODULATION)
    sizes = _Sizes(width, width // int(full["n_heads"]), width, int(width / 3 * 8), modulation,
                   bool(full["qk_norm"]))
    _patches(out, full, sizes)
    refiners, layers = int(full["n_refiner_layers"]), int(full["n_layers"])
    _blocks(out, "noise_refiner", refiners, sizes, _Z_IMAGE_NAMES)
    _blocks(out, "context_refiner", refiners, sizes, _Z_IMAGE_PLAIN)
    same_linear(out, "t_embedder.mlp.0", _Z_IMAGE_TIME_INNER, TIME_CHANNELS)
    same_linear(out, "t_embedder.mlp.2", modulation, _Z_IMAGE_TIME_INNER)
    _caption(out, "cap_embedder", "cap_embedder", int(full["cap_feat_dim"]), width)
    if full["siglip_feat_dim"] is not None:  # Z-Image Omni
        _caption(out, "siglip_embedder", "siglip_embedder", int(full["siglip_feat_dim"]), width)
        _blocks(out, "siglip_refiner", refiners, sizes, _Z_IMAGE_PLAIN)
    _blocks(out, "layers", layers, sizes, _Z_IMAGE_NAMES)
    return Architecture(id="z_image", component="denoiser", leaves=tuple(out.leaves),
                        features={"width": width, "layers": layers})


def _patches(out: Builder, config: Mapping[str, Any], sizes: _Sizes) -> None:
    """The first and the last layer for each patch size."""
    sides, frames = config["all_patch_size"], config["all_f_patch_size"]
    for side, depth in zip(sides, frames, strict=True):
        name = f"{side}-{depth}"
        first, last = f"all_x_embedder.{name}", f"all_final_layer.{name}"
        native = ("x_embedder", "final_layer") if name == "2-1" else (first, last)
        patch = int(depth) * int(side) ** 2 * int(config["in_channels"])
        out.linear(first, native[0], sizes.width, patch)
        out.linear(f"{last}.linear", f"{native[1]}.linear", patch, sizes.width)
        out.linear(f"{last}.adaLN_modulation.1", f"{native[1]}.adaLN_modulation.1", sizes.width,
                   sizes.modulation)


def _caption(out: Builder, ours: str, theirs: str, inp: int, width: int) -> None:
    out.norm(f"{ours}.0", f"{theirs}.0", inp, bias=False)
    out.linear(f"{ours}.1", f"{theirs}.1", width, inp)


def _blocks(out: Builder, group: str, count: int, sizes: _Sizes, names: _Names) -> None:
    for index in range(count):
        _block(out, f"{group}.{index}", sizes, names)


def _block(out: Builder, block: str, sizes: _Sizes, names: _Names) -> None:
    width, ours, theirs = sizes.width, f"{block}.{names.attention}", f"{block}.attention"
    parts = [(f"{ours}.to_q", width), (f"{ours}.to_k", sizes.key_value),
             (f"{ours}.to_v", sizes.key_value)]
    out.split(parts, f"{theirs}.qkv", width, bias=False)
    out.linear(f"{ours}.to_out.0", f"{theirs}.out", width, width, bias=False)
    if sizes.normalised:
        for one in "qk":
            out.norm(f"{ours}.norm_{one}", f"{theirs}.{one}_norm", sizes.head, bias=False)
    layers = f"{block}.feed_forward"
    gated(out, layers, layers, (names.feed_forward, "w"), sizes.inner, width)
    for ours, theirs in ((names.first_norm, "attention_norm1"), ("ffn_norm1", "ffn_norm1"),
                         (names.second_norm, "attention_norm2"), ("ffn_norm2", "ffn_norm2")):
        out.norm(f"{block}.{ours}", f"{block}.{theirs}", width, bias=False)
    if names.modulation:
        out.linear(f"{block}.{names.modulation}", f"{block}.{names.native_modulation}", 4 * width,
                   sizes.modulation)


_GROUPS = ("layers_", "noise_refiner_", "context_refiner_")
_NATIVE = ("x_embedder", "t_embedder_", "cap_embedder_", "final_layer_")

DERIVATIONS = {
    "Lumina2Transformer2DModel": Derivation(
        lumina2_architecture, (*_GROUPS, *_NATIVE, "time_caption_embed_", "norm_out_")
    ),
    "ZImageTransformer2DModel": Derivation(
        z_image_architecture, (*_GROUPS, *_NATIVE, "all_x_embedder_", "all_final_layer_", "siglip_")
    ),
}
