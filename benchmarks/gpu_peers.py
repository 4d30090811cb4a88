"""diffusers and PEFT on the same bare modules, with their own functions."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import nn

from benchmarks.gpu_models import Bare
from benchmarks.gpu_times import Rows, take


def measure_peers(
    bare: Bare, dtype: torch.dtype, rows: Rows, repeat: int, device: str
) -> str:
    """Times of loading, activating, fusing and hotswapping; or why there are none."""
    try:
        import diffusers
        from diffusers.loaders.peft import PeftAdapterMixin
        from diffusers.utils import USE_PEFT_BACKEND
    except ImportError as error:
        return f"without diffusers: {error}"
    if not USE_PEFT_BACKEND:
        return "without diffusers: it finds no PEFT"
    diffusers.utils.logging.set_verbosity_error()
    root: Any = bare.root(dtype, device, type("BareModel", (nn.Module, PeftAdapterMixin), {}))
    states = [bare.factors(seed, dtype) for seed in (1, 2)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PEFT's, of a second adapter
        for index, state in enumerate(states):
            take(rows, "diffusers: load_lora_adapter",
                 lambda s=state, i=index: root.load_lora_adapter(
                     dict(s), prefix=None, adapter_name=f"n{i}"), device)
        for _ in range(repeat):
            _round(root, states, rows, device)
    return ""


def _round(root: Any, states: list[Any], rows: Rows, device: str) -> None:
    root.set_adapters(["n1"])
    take(rows, "diffusers: set_adapters", lambda: root.set_adapters(["n0"]), device)
    take(rows, "diffusers: fuse_lora", lambda: root.fuse_lora(adapter_names=["n0"]), device)
    take(rows, "diffusers: unfuse_lora", root.unfuse_lora, device)
    take(rows, "diffusers: hotswap",
         lambda: root.load_lora_adapter(
             dict(states[1]), prefix=None, adapter_name="n0", hotswap=True), device)
