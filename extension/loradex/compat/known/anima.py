"""Anima."""

from __future__ import annotations

from loradex.compat.family import Family, Part, denoiser
from loradex.keys.configs import Config

# The 2B text-to-image model of Cosmos-Predict2 with an adapter from Qwen3's states before it.
_TRANSFORMER: Config = {"num_attention_heads": 16, "llm_adapter": {}}
_QWEN3_06B: Config = {
    "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28,
    "num_attention_heads": 16, "num_key_value_heads": 8,
}

FAMILIES: tuple[Family, ...] = (
    Family(
        "anima", "Anima",
        (denoiser("CosmosTransformer3DModel", _TRANSFORMER), Part("te", "Qwen3Model", _QWEN3_06B)),
        "width", ("anima",), ("Cosmos-Predict2 2B",),
    ),
)
