"""Configurations of the known base models: the fields that their tables are derived from.

The values are those of the models' published `config.json` files; the fields that equal the
defaults of diffusers or transformers are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Config = Mapping[str, Any]

CLIP_L: Config = {"hidden_size": 768, "intermediate_size": 3072, "projection_dim": 768}
CLIP_H: Config = {  # SD2 keeps 23 of the 24 layers
    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23, "hidden_act": "gelu",
}
CLIP_G: Config = {
    "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "hidden_act": "gelu",
    "projection_dim": 1280,
}
T5_XXL: Config = {
    "d_model": 4096, "d_ff": 10240, "num_layers": 24, "num_heads": 64,
    "feed_forward_proj": "gated-gelu",
}

SD1_UNET: Config = {"cross_attention_dim": 768}
SD2_UNET: Config = {
    "cross_attention_dim": 1024, "attention_head_dim": (5, 10, 20, 20),
    "use_linear_projection": True,
}
SDXL_UNET: Config = {
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
SDXL_REFINER_UNET: Config = {
    "block_out_channels": (384, 768, 1536, 1536),
    "down_block_types": (
        "DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D",
    ),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": 4,
    "attention_head_dim": (6, 12, 24, 24),
    "cross_attention_dim": 1280,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2560,
}
SSD_1B_UNET: Config = {  # SDXL without the attention of the middle and with fewer blocks
    **SDXL_UNET,
    "mid_block_type": "UNetMidBlock2D",
    "transformer_layers_per_block": (1, 2, 4),
    "reverse_transformer_layers_per_block": ((4, 4, 10), (2, 1, 1), 1),
}
VEGA_UNET: Config = {  # Segmind's smaller SSD-1B
    **SDXL_UNET,
    "mid_block_type": "UNetMidBlock2D",
    "transformer_layers_per_block": (1, 1, 2),
}
KOALA_1B_UNET: Config = {  # SDXL with one resnet a level
    **SDXL_UNET,
    "layers_per_block": 1,
    "transformer_layers_per_block": (1, 2, 6),
}
KOALA_700M_UNET: Config = {
    **KOALA_1B_UNET,
    "mid_block_type": None,
    "transformer_layers_per_block": (1, 2, 5),
}
KOLORS_UNET: Config = {  # SDXL behind a projection of ChatGLM's 4096 wide states
    **SDXL_UNET,
    "encoder_hid_dim": 4096,
    "encoder_hid_dim_type": "text_proj",
    "projection_class_embeddings_input_dim": 5632,
}
SVD_UNET: Config = {}
ANIMATEDIFF_SD1: Config = {}  # v2; v1 and v3 have no module in the middle
ANIMATEDIFF_SDXL: Config = {
    "block_out_channels": (320, 640, 1280), "use_motion_mid_block": False,
}
FLUX1_DEV: Config = {"guidance_embeds": True}
CHROMA: Config = {}
FLUX2_DEV: Config = {}
FLUX2_KLEIN_4B: Config = {
    "num_layers": 5, "num_single_layers": 20, "num_attention_heads": 24,
    "joint_attention_dim": 7680, "guidance_embeds": False,
}
FLUX2_KLEIN_9B: Config = {
    "num_layers": 8, "num_single_layers": 24, "num_attention_heads": 32,
    "joint_attention_dim": 12288, "guidance_embeds": False,
}
SD3_MEDIUM: Config = {
    "num_layers": 24, "num_attention_heads": 24, "caption_projection_dim": 1536,
}
SD35_MEDIUM: Config = {
    **SD3_MEDIUM, "dual_attention_layers": tuple(range(13)), "qk_norm": "rms_norm",
}
SD35_LARGE: Config = {
    "num_layers": 38, "num_attention_heads": 38, "caption_projection_dim": 2432,
    "qk_norm": "rms_norm",
}
