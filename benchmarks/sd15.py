"""A full-size SD 1.5 UNet with random weights, and LoRA files for its 192 attention modules."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from loradex.keys.targets import Shape
from loradex.keys.unet import unet_architecture
from safetensors.torch import save_file
from torch import Tensor

RANK = 32
CONFIG = {
    "sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8,
    "block_out_channels": (320, 640, 1280, 1280), "layers_per_block": 2,
}


def random_unet(seed: int = 0) -> UNet2DConditionModel:
    """Weights of the size that trained ones have; a bias of zero would hide nothing here."""
    torch.manual_seed(seed)
    with torch.device("meta"):
        unet = UNet2DConditionModel(**CONFIG)
    unet.to_empty(device="cpu")
    with torch.no_grad():
        for parameter in unet.parameters():
            parameter.normal_(0.0, 0.03)
    return unet.requires_grad_(False).eval()


def twin(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """A second UNet for the peers: weights that no LoRA touches are shared, others are copies."""
    with torch.device("meta"):
        other = UNet2DConditionModel(**CONFIG)
    touched = {f"{name}.weight" for name in attention_modules(unet)}
    state = {
        key: value.clone() if key in touched else value for key, value in unet.state_dict().items()
    }
    other.load_state_dict(state, assign=True)
    return other.requires_grad_(False).eval()


def attention_modules(unet: UNet2DConditionModel) -> Mapping[str, Shape]:
    """What kohya's trainer targets without its conv option: name -> weight shape."""
    modules = unet_architecture(unet.config).modules("diffusers")
    return {
        name: shape.weight
        for name, shape in modules.items()
        if ".attentions." in name and shape.kind.value in ("linear", "conv")
    }


def random_factors(
    modules: Mapping[str, Shape], seed: int, kind: torch.dtype = torch.float16
) -> dict[str, tuple[Tensor, Tensor]]:
    """up [out, rank] and down [rank, in] per module, fp16 or bf16 as trainers save them."""
    random = torch.Generator().manual_seed(seed)
    return {
        name: (
            (torch.randn(shape[0], RANK, generator=random) * 0.02).to(kind),
            (torch.randn(RANK, shape[1], generator=random) * 0.02).to(kind),
        )
        for name, shape in modules.items()
    }


def write_kohya(
    path: Path, unet: UNet2DConditionModel, seed: int, kind: torch.dtype = torch.float16
) -> Path:
    """A kohya file; 1x1 convolutions keep their kernel, as that trainer writes them."""
    modules = attention_modules(unet)
    tensors: dict[str, Tensor] = {}
    for name, (up, down) in random_factors(modules, seed, kind).items():
        flat = f"lora_unet_{name.replace('.', '_')}"
        kernel = modules[name][2:]
        tensors[f"{flat}.lora_up.weight"] = up.reshape(*up.shape, *(1 for _ in kernel))
        tensors[f"{flat}.lora_down.weight"] = down.reshape(*down.shape, *kernel)
        tensors[f"{flat}.alpha"] = torch.tensor(float(RANK), dtype=kind)
    save_file(tensors, path)
    return path


def peft_state(unet: UNet2DConditionModel, seed: int) -> dict[str, Tensor]:
    """The same network in PEFT's names, which is what diffusers converts a kohya file to."""
    modules = attention_modules(unet)
    state: dict[str, Tensor] = {}
    for name, (up, down) in random_factors(modules, seed).items():
        kernel = modules[name][2:]
        state[f"{name}.lora_B.weight"] = up.reshape(*up.shape, *(1 for _ in kernel)).float()
        state[f"{name}.lora_A.weight"] = down.reshape(*down.shape, *kernel).float()
    return state
