"""What LoRAs are trained for in SD 1.5, SDXL and Flux, bare and random, and files for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from loradex.catalog.network_file import NetworkFile
from loradex.keys.architecture import Architecture
from loradex.keys.flux import flux_architecture
from loradex.keys.unet import unet_architecture
from loradex.networks.model import BoundComponent, BoundModel
from safetensors.torch import save_file
from torch import Tensor, nn

RANK = 32
_UNET = ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D")
_SDXL: Mapping[str, Any] = {
    "cross_attention_dim": 2048, "block_out_channels": (320, 640, 1280),
    "attention_head_dim": (5, 10, 20), "transformer_layers_per_block": (1, 2, 10),
    "use_linear_projection": True, "down_block_types": _UNET,
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
CONFIGS: Mapping[str, Mapping[str, Any]] = {
    "tiny": {"block_out_channels": (32, 64, 64, 64), "cross_attention_dim": 48},
    "sd15": {"block_out_channels": (320, 640, 1280, 1280), "cross_attention_dim": 768},
    "sdxl": _SDXL,
    # As many modules as SDXL has, so small that what a switch takes is the engine's own time.
    "narrow-sdxl": {**_SDXL, "block_out_channels": (32, 64, 64), "cross_attention_dim": 64},
    "tiny-flux": {"num_layers": 1, "num_single_layers": 2, "num_attention_heads": 2,
                  "attention_head_dim": 16, "joint_attention_dim": 32, "pooled_projection_dim": 16},
    "flux": {"num_layers": 19, "num_single_layers": 38, "num_attention_heads": 24,
             "attention_head_dim": 128, "joint_attention_dim": 4096, "pooled_projection_dim": 768,
             "guidance_embeds": True},
}


class Bare:
    """One model's targeted modules alone, under their own names; nothing else is ever touched."""

    def __init__(self, name: str) -> None:
        self.is_flux = "flux" in name
        made = flux_architecture if self.is_flux else unet_architecture
        self.table: Architecture = made(CONFIGS[name])
        self.component = "transformer" if self.is_flux else "unet"

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """What kohya's trainer targets without its conv option; of Flux all block linears."""
        part = "transformer_blocks." if self.is_flux else ".attentions."
        return {
            name: found.weight for name, found in self.table.modules("diffusers").items()
            if part in name and found.kind.value in ("linear", "conv")
        }

    def root(self, dtype: torch.dtype, device: str, kind: type[nn.Module] = nn.Module) -> nn.Module:
        root = kind()
        for name, shape in self.shapes.items():
            here, (*path, last) = root, name.split(".")
            for part in path:
                if part not in here._modules:
                    here.add_module(part, nn.Module())
                here = here.get_submodule(part)
            made = nn.Conv2d(shape[1], shape[0], shape[2:], bias=False, device="meta",
                             dtype=dtype) \
                if len(shape) > 2 else nn.Linear(shape[1], shape[0], False, "meta", dtype)
            here.add_module(last, made)
        root.to_empty(device=device).requires_grad_(False)
        for parameter in root.parameters():
            parameter.normal_(0.0, 0.03)
        return root

    def bound(self, root: nn.Module) -> BoundModel:
        part = BoundComponent(self.component, root, self.table, "diffusers")
        return BoundModel({self.component: part})

    def factors(self, seed: int, dtype: torch.dtype) -> dict[str, Tensor]:
        """A network in PEFT's names; alpha is the rank."""
        random, tensors = torch.Generator().manual_seed(seed), dict[str, Tensor]()
        for name, shape in self.shapes.items():
            ones = (1,) * len(shape[2:])
            for key, size in (("lora_A", (RANK, *shape[1:])), ("lora_B", (shape[0], RANK, *ones))):
                drawn = torch.randn(size, generator=random) * 0.02
                tensors[f"{name}.{key}.weight"] = drawn.to(dtype)
        return tensors

    def write(self, folder: Path, seed: int, dtype: torch.dtype) -> NetworkFile:
        tensors = self.factors(seed, dtype)
        path = folder / f"n{seed}-{str(dtype).removeprefix('torch.')}.safetensors"
        save_file({f"{self.component}.{key}": value for key, value in tensors.items()}, path)
        stat = path.stat()
        return NetworkFile(path.name, path.stem, path, folder, stat.st_size, stat.st_mtime_ns)
