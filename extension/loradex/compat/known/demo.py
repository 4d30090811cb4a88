"""The demo model that is bundled with Loradex: Stable Diffusion's parts at toy width."""

from __future__ import annotations

from loradex.compat.family import Family, Part, denoiser
from loradex.keys.configs import Config

# What standalone/demo/model says beside the defaults of the classes.
UNET: Config = {
    "attention_head_dim": 4, "block_out_channels": (64, 128), "cross_attention_dim": 64,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"), "layers_per_block": 1,
    "norm_num_groups": 16, "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
}
TEXT: Config = {
    "hidden_size": 64, "intermediate_size": 256, "num_attention_heads": 4, "num_hidden_layers": 3,
    "projection_dim": 64, "vocab_size": 675,
}

FAMILIES: tuple[Family, ...] = (
    Family(
        "loradex-demo", "Loradex demo",
        (denoiser("UNet2DConditionModel", UNET), Part("te", "CLIPTextModel", TEXT)),
        "cross-attention width", ("loradex_demo",),
    ),
)
