"""LoRA files for the fake checkpoints, and small extensions written for a test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file

from tests.webui.fakehost.trees import architectures


def write_lora(
    path: Path, family: str = "sd1", *, seed: int = 0, rank: int = 2, scale: float = 0.1,
    parts: Sequence[str] = (), contains: str = "", metadata: dict[str, str] | None = None,
) -> Path:
    """A kohya LoRA on every linear layer and convolution of a family, or of some of its parts."""
    random = torch.Generator().manual_seed(seed)
    tensors: dict[str, torch.Tensor] = {}
    for part, table in architectures(family).items():
        if parts and part not in parts:
            continue
        for leaf in table.leaves:
            module = leaf.diffusers.module
            if leaf.kind.value not in ("linear", "conv") or contains not in module:
                continue
            if "text_projection" in module:
                continue
            key = f"lora_{part}_{module.replace('.', '_')}"
            ones = (1,) * (len(leaf.shape) - 2)
            up = torch.randn(leaf.shape[0], rank, *ones, generator=random) * scale
            tensors |= {
                f"{key}.lora_up.weight": up,
                f"{key}.lora_down.weight": torch.randn(
                    rank, *leaf.shape[1:], generator=random) * scale,
                f"{key}.alpha": torch.tensor(float(rank))}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata)
    return path
