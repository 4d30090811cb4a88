"""The table of a HiDream-I1 transformer, which has the same names in both trees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loradex.keys.architecture import Architecture, Builder
from loradex.keys.derivation import Derivation
from loradex.keys.dit import MLP_RATIO, TIME_CHANNELS, gated, rounded_up, same_linear

# Defaults of diffusers' HiDreamImageTransformer2DModel; the patch size and the captions' channels
# have none there.
_DEFAULTS: Mapping[str, Any] = {
    "patch_size": 2,
    "in_channels": 64,
    "out_channels": None,
    "num_layers": 16,
    "num_single_layers": 32,
    "attention_head_dim": 128,
    "num_attention_heads": 20,
    "caption_channels": (4096, 4096),
    "text_emb_dim": 2048,
    "num_routed_experts": 4,
}


def hidream_architecture(config: Mapping[str, Any]) -> Architecture:
    """The table of the transformer that diffusers' HiDreamImageTransformer2DModel builds.

    diffusers took the model over under its own names; its converter only cuts a prefix.
    """
    full = {**_DEFAULTS, **config}
    width = int(full["num_attention_heads"]) * int(full["attention_head_dim"])
    double, single = int(full["num_layers"]), int(full["num_single_layers"])
    experts, out = int(full["num_routed_experts"]), Builder()
    patch = int(full["patch_size"]) ** 2
    for name, inp in (("t_embedder.timestep_embedder", TIME_CHANNELS),
                      ("p_embedder.pooled_embedder", int(full["text_emb_dim"]))):
        same_linear(out, f"{name}.linear_1", width, inp)
        same_linear(out, f"{name}.linear_2", width, width)
    same_linear(out, "x_embedder.proj", width, patch * int(full["in_channels"]))
    for index in range(double):
        _block(out, f"double_stream_blocks.{index}.block", width, experts, streams=2)
    for index in range(single):
        _block(out, f"single_stream_blocks.{index}.block", width, experts, streams=1)
    channels = int(full["out_channels"] or full["in_channels"])
    same_linear(out, "final_layer.linear", patch * channels, width)
    same_linear(out, "final_layer.adaLN_modulation.1", 2 * width, width)
    first, second = full["caption_channels"]
    for index, inp in enumerate([second] * (double + single) + [first]):
        same_linear(out, f"caption_projection.{index}.linear", width, int(inp), bias=False)
    return Architecture(
        id="hidream", component="denoiser", leaves=tuple(out.leaves),
        features={"width": width, "double blocks": double, "single blocks": single},
    )


def _block(out: Builder, block: str, width: int, experts: int, *, streams: int) -> None:
    """A block of one stream or two; the text's layers end in `_t`."""
    same_linear(out, f"{block}.adaLN_modulation.1", 6 * streams * width, width)
    for stream in ("", "_t")[:streams]:
        for one in ("to_q", "to_k", "to_v", "to_out"):
            same_linear(out, f"{block}.attn1.{one}{stream}", width, width)
        for one in "qk":
            name = f"{block}.attn1.{one}_rms_norm{stream}"
            out.norm(name, name, width, bias=False)
    _experts(out, f"{block}.ff_i", width, experts)
    if streams == 2:
        _feed_forward(out, f"{block}.ff_t", MLP_RATIO * width, width)


def _experts(out: Builder, name: str, width: int, experts: int) -> None:
    _feed_forward(out, f"{name}.shared_experts", MLP_RATIO * width // 2, width)
    for index in range(experts):
        _feed_forward(out, f"{name}.experts.{index}", MLP_RATIO * width, width)
    same_linear(out, f"{name}.gate", experts, width, bias=False)


def _feed_forward(out: Builder, name: str, hidden: int, width: int) -> None:
    gated(out, name, name, ("w", "w"), rounded_up(2 * hidden // 3, 256), width)


DERIVATIONS = {
    "HiDreamImageTransformer2DModel": Derivation(
        hidream_architecture,
        (
            "double_stream_blocks_", "single_stream_blocks_", "t_embedder_", "p_embedder_",
            "x_embedder_", "final_layer_", "caption_projection_",
        ),
    ),
}
