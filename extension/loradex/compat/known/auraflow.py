"""AuraFlow, which is also what Pony V7 is."""

from __future__ import annotations

from loradex.compat.family import Family, denoiser

FAMILIES: tuple[Family, ...] = (
    Family(
        "auraflow", "AuraFlow", (denoiser("AuraFlowTransformer2DModel", {}),), "width",
        ("auraflow", "aura-flow", "aura_flow", "pony-v7", "pony_v7", "ponyv7"), ("Pony V7",),
    ),
)
