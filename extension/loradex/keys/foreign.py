"""What a file is that is not a LoRA: a list of signatures, first match wins."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Foreign:
    """A kind of file that is no network for a base model, known by its keys.

    `certain` kinds carry factors named as a LoRA's, so they are looked for in every file.
    """

    title: str
    pattern: re.Pattern[str]
    certain: bool = False


FOREIGN = (
    Foreign("ControlNet-LLLite", re.compile(r"^lllite_"), certain=True),
    Foreign("Control-LoRA", re.compile(r"^lora_controlnet$"), certain=True),
    Foreign("IP-Adapter", re.compile(
        r"^(?:ip_adapter\.|image_proj\.|ip_adapter_proj_model\.|ip_adapter_image_proj)"
        r"|\.processor\.ip_adapter_"
    ), certain=True),  # FaceID files carry LoRA factors beside the adapter
    Foreign("PhotoMaker adapter", re.compile(r"^id_encoder\."), certain=True),
    Foreign("PuLID adapter", re.compile(r"^(?:pulid_ca|pulid_encoder|id_adapter)\b"), certain=True),
    Foreign("ControlNet", re.compile(
        r"^(?:control_model\.|controlnet_|input_hint_block\.|zero_convs\.|controlnet_cond_embedding"
        r"|control_layers\.|control_all_x_embedder|control_add_embedding|controlnet\.)"
    )),
    Foreign("T2I-Adapter", re.compile(r"^(?:adapter\.body|body\.\d+\.(?:resnets|block1|in_conv))")),
    Foreign("textual inversion embedding", re.compile(
        r"^(?:string_to_param|string_to_token|emb_params$|clip_[lg]$|t5xxl$|<[^>]+>$)"
    )),
    Foreign("checkpoint", re.compile(
        r"^(?:model\.diffusion_model\.|cond_stage_model\.|conditioner\.embedders\.)"
    )),
    Foreign("motion module", re.compile(r"motion_modules\.\d+\.temporal_transformer\.")),
    Foreign("denoiser checkpoint", re.compile(
        r"^(?:diffusion_model\.|net\.|model\.|unet\.|transformer\.|module\.)?"
        r"(?:input_blocks|down_blocks|double_blocks|single_blocks|joint_blocks|transformer_blocks"
        r"|single_transformer_blocks|double_layers|single_layers|double_stream_blocks"
        r"|blocks\.\d+\.(?:self_attn|cross_attn|attn|adaln_modulation\w*|ffn|attn1|mlp)"
        r"|layers\.\d+\.(?:attention|adaLN_modulation|feed_forward)"
        r"|context_refiner|noise_refiner)\b.*\.weight$"
    )),
    Foreign("VAE", re.compile(
        r"^(?:first_stage_model\.|vae\.)?(?:encoder|decoder)\.(?:conv_in|conv1|down|up|mid"
        r"|down_blocks|up_blocks|mid_block|downsamples|upsamples|middle)\b"
        r"|^(?:first_stage_model|taesd_(?:en|de)coder)\."
    )),
    Foreign("image encoder", re.compile(
        r"^(?:vision_model\.|visual\.(?:transformer|blocks|conv1)\b|image_encoder\.)"
    )),
    Foreign("text encoder", re.compile(
        r"^(?:text_model\.)?(?:encoder\.layers\.\d+\.(?:self_attn|mlp)|encoder\.block\.\d"
        r"|embeddings\.token_embedding|shared\.)"
        r"|^(?:model\.)?transformer\.resblocks\.\d|^token_embedding\."
        r"|^(?:language_)?(?:model\.)?(?:language_model\.)?"
        r"(?:layers\.\d+\.(?:self_attn|mlp)\.|embed_tokens\.)"
    )),
    Foreign("hypernetwork", re.compile(r"^\d+\.\d+\.linear\.")),
    Foreign("upscaler", re.compile(
        r"^(?:body\.\d+\.rdb1\.|model\.1\.sub\.0\.|RRDB_trunk\.|conv_first\.|upsampler\.\d"
        r"|feats\.\d+\.|body\.0\.weight$|layers\.\d+\.residual_group\.)"
    )),
)


def what_it_is(keys: Collection[str], *, network: bool) -> str:
    """The title of what a file is instead of a LoRA, or '' where it is one."""
    candidates = [kind for kind in FOREIGN if kind.certain or not network]
    for kind in candidates:
        if any(kind.pattern.search(key) for key in keys):
            return kind.title
    return "" if network else ("empty file" if not keys else "unknown kind of file")
