"""HunyuanDiT."""

from __future__ import annotations

from loradex.compat.family import Family, denoiser
from loradex.keys import configs

_CLASS = "HunyuanDiT2DModel"
_V1_2: configs.Config = {
    "in_channels": 4, "patch_size": 2, "hidden_size": 1408, "num_layers": 40, "mlp_ratio": 4.3637,
    "use_style_cond_and_image_meta_size": False,
}
_V1_1: configs.Config = {**_V1_2, "use_style_cond_and_image_meta_size": True}
_CLAIMS = ("hunyuan-dit", "hunyuandit", "hydit")

FAMILIES: tuple[Family, ...] = (
    Family("hunyuandit", "HunyuanDiT 1.2", (denoiser(_CLASS, _V1_2),), "width", _CLAIMS,
           variant="1.2"),
    Family("hunyuandit", "HunyuanDiT 1.1", (denoiser(_CLASS, _V1_1),), "width", _CLAIMS,
           variant="1.1"),
)
