"""HiDream-I1."""

from __future__ import annotations

from loradex.compat.family import Family, denoiser
from loradex.keys import configs

_HIDREAM_I1: configs.Config = {
    "patch_size": 2, "in_channels": 16, "caption_channels": (4096, 4096),
}

FAMILIES: tuple[Family, ...] = (
    Family(
        "hidream", "HiDream-I1", (denoiser("HiDreamImageTransformer2DModel", _HIDREAM_I1),),
        "width", ("hidream", "hi-dream"), ("HiDream-E1",),
    ),
)
