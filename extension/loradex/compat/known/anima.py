"""Anima."""

from __future__ import annotations

from loradex.compat.family import Family, denoiser
from loradex.keys.configs import Config

# The 2B text-to-image model of Cosmos-Predict2 with an adapter from Qwen3's states before it.
_TRANSFORMER: Config = {"num_attention_heads": 16, "llm_adapter": {}}

FAMILIES: tuple[Family, ...] = (
    Family(
        "anima", "Anima", (denoiser("CosmosTransformer3DModel", _TRANSFORMER),),
        "width", ("anima",), ("Cosmos-Predict2 2B",),
    ),
)
