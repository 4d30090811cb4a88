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
        "width",
        # HiDream-O1 is another model, so the bare name claims nothing.
        ("hidream-i1", "hidream_i1", "hidream-e1", "hidream_e1", "hidream-full", "hidream-dev",
         "hidream-fast"),
        ("HiDream-E1",),
    ),
)
