"""AnimateDiff's motion modules."""

from __future__ import annotations

from loradex.compat.family import Edition, Family, Part
from loradex.keys import configs

_MODULES = "MotionAdapter"

FAMILIES: tuple[Family, ...] = (
    Family(  # the table is that of v2
        "animatediff-sd1", "AnimateDiff for SD 1.5",
        (Part("motion", _MODULES, configs.ANIMATEDIFF_SD1),), "levels",
        ("animatediff", "animatediff-sd1"),
        editions=(Edition("v1 or v3", lacks=("mid_block_",)),),
    ),
    Family(
        "animatediff-sdxl", "AnimateDiff for SDXL",
        (Part("motion", _MODULES, configs.ANIMATEDIFF_SDXL),), "levels", ("animatediff-sdxl",),
    ),
)
