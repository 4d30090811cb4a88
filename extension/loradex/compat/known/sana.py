"""Sana 1.0, 1.5 and Sprint in their sizes."""

from __future__ import annotations

from loradex.compat.family import Family, denoiser
from loradex.keys import configs

_NORMS = "rms_norm_across_heads"
_600M: configs.Config = {
    "num_attention_heads": 36, "num_layers": 28, "cross_attention_dim": 1152,
    "num_cross_attention_heads": 16, "cross_attention_head_dim": 72,
}
_SPRINT: configs.Config = {"qk_norm": _NORMS, "guidance_embeds": True}


def _family(variant: str, title: str, config: configs.Config, *claims: str) -> Family:
    part = denoiser("SanaTransformer2DModel", config)
    return Family("sana", title, (part,), "width", ("sana", *claims), variant=variant)


FAMILIES: tuple[Family, ...] = (
    _family("1.6b", "Sana 1.6B", {}, "sana_1600m", "sana-1600m", "sana-sana1.0-1.6b"),
    _family("0.6b", "Sana 0.6B", _600M, "sana_600m", "sana-600m", "sana-sana1.0-600m"),
    _family("1.5-1.6b", "Sana 1.5 1.6B", {"qk_norm": _NORMS}, "sana1.5_1.6b", "sana1.5-1.6b",
            "sana-sana1.5-1.6b"),
    _family("1.5-4.8b", "Sana 1.5 4.8B", {"qk_norm": _NORMS, "num_layers": 60}, "sana1.5_4.8b",
            "sana1.5-4.8b", "sana-sana1.5-4.8b"),
    _family("sprint-1.6b", "Sana Sprint 1.6B", _SPRINT, "sana_sprint_1.6b", "sana-sprint-1.6b"),
    _family("sprint-0.6b", "Sana Sprint 0.6B", {**_600M, **_SPRINT}, "sana_sprint_0.6b",
            "sana-sprint-0.6b"),
)
