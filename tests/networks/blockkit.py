"""Small models with the blocks of the real ones, LoRAs on all of them, and their blocks by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from loradex.keys.architecture import Architecture, Leaf
from loradex.keys.clip import clip_architecture
from loradex.keys.derive import derive
from loradex.keys.targets import Tree
from loradex.networks.model import BoundComponent, BoundModel
from loradex.networks.network import Network
from torch import Tensor

from tests.networks.enginekit import lora_parts, network
from tests.networks.native_trees import build_native

_SMALL = {"attention_head_dim": 2, "cross_attention_dim": 8}
CONFIGS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "sd1": ("UNet2DConditionModel", {**_SMALL, "block_out_channels": (4, 4, 8, 8)}),
    "sdxl": ("UNet2DConditionModel", {
        **_SMALL, "block_out_channels": (4, 4, 8), "use_linear_projection": True,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 1, 2)}),
    "flux": ("FluxTransformer2DModel", {
        "attention_head_dim": 4, "num_attention_heads": 1, "joint_attention_dim": 8,
        "pooled_projection_dim": 8, "in_channels": 4, "guidance_embeds": True}),
    "sd3": ("SD3Transformer2DModel", {
        "attention_head_dim": 4, "num_attention_heads": 2, "joint_attention_dim": 8,
        "caption_projection_dim": 8, "pooled_projection_dim": 8, "in_channels": 4,
        "num_layers": 24}),
}
_CLIP = {"vocab_size": 16, "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2,
         "projection_dim": 8, "max_position_embeddings": 4}
_T5 = {"d_model": 8, "d_ff": 16, "d_kv": 4, "num_layers": 2, "num_heads": 2, "vocab_size": 16,
       "feed_forward_proj": "gated-gelu"}


def denoiser_table(family: str) -> Architecture:
    return derive(*CONFIGS[family])


def model_of(family: str, tree: Tree = "native", seed: int = 0) -> BoundModel:
    """The denoiser with the text encoders that its family has."""
    torch.manual_seed(seed)
    main = "unet" if family.startswith("sd") and family != "sd3" else "transformer"
    tables = {main: denoiser_table(family), "te": clip_architecture(_CLIP)}
    if family == "flux":
        tables["te2"] = derive("T5EncoderModel", _T5)
    elif family == "sdxl":
        tables["te2"] = clip_architecture(
            {**_CLIP, "hidden_act": "gelu"}, with_projection=False)
    return BoundModel({
        name: BoundComponent(name, build_native(table, tree), table, tree)
        for name, table in tables.items()}, f"the small {family}")


def hint(component: str) -> str:
    """How a file names a component."""
    return component if component.startswith("te") else "denoiser"


def lora_on(
    model: BoundModel, id_: str = "all", *, parts: Sequence[str] = (), seed: int = 0, every: int = 1
) -> Network:
    """A LoRA on each linear and convolution of these parts, or on every n-th of them."""
    found: dict[str, Mapping[str, Tensor]] = {}
    for name, part in model.components.items():
        if parts and name not in parts:
            continue
        for leaf in part.architecture.leaves:
            if leaf.kind.value in ("linear", "conv") and len(leaf.shape) > 1:
                seed += 1
                key = f"{hint(name)}.{leaf.diffusers.module.replace('.', '_')}"
                if key not in found and leaf.diffusers.rows is None and seed % every == 0:
                    found[key] = lora_parts(leaf.shape, 2, seed)
    return network(id_, found)


def weight_of(model: BoundModel, component: str, leaf: Leaf) -> Tensor:
    """The live rows of one leaf."""
    part = model.components[component]
    place = leaf.place(part.tree)
    found = part.root.get_parameter(place.key).detach()
    found = found.t() if place.transposed else found
    return found if place.rows is None else found[place.rows.start : place.rows.stop]


def block_by_hand(family: str, component: str, leaf: Leaf) -> str:
    """The block of a layer of the diffusers tree, as the lists are documented."""
    name = leaf.diffusers.module
    if component.startswith("te"):
        return ("CLIP" if component == "te" else "T5") if family == "flux" else "BASE"
    if family == "flux":
        number = re.match(r"(single_)?transformer_blocks\.(\d+)", name)
        if number:
            return f"{'S' if number[1] else 'D'}{int(number[2]):02}"
        return "OUT" if name.startswith(("norm_out", "proj_out")) else "IN"
    if family == "sd3":
        number = re.match(r"(single_)?transformer_blocks\.(\d+)", name)
        return f"B{int(number[2]):02}" if number else ""
    place = re.match(r"(down|up)_blocks\.(\d)\.(resnets|attentions|\w+samplers)\.(\d)", name)
    if place:
        level, kind, number = int(place[2]), place[3], int(place[4])
        if place[1] == "up":
            return f"OUT{3 * level + (2 if kind == 'upsamplers' else number):02}"
        return f"IN{3 * level + (3 if kind == 'downsamplers' else 1 + number):02}"
    if name.startswith("mid_block."):
        return "M00"
    return "IN00" if name == "conv_in" else ""
