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
        r"^(?:ip_adapter\.|image_proj\.|ip_adapter_proj_model\.)|\.processor\.ip_adapter_"
    ), certain=True),  # FaceID files carry LoRA factors beside the adapter
    Foreign("ControlNet", re.compile(
        r"^(?:control_model\.|controlnet_|input_hint_block\.|zero_convs\.|controlnet_cond_embedding)"
    )),
    Foreign("T2I-Adapter", re.compile(r"^(?:adapter\.body|body\.\d+\.(?:resnets|block1|in_conv))")),
    Foreign("textual inversion embedding", re.compile(
        r"^(?:string_to_param|string_to_token|emb_params$|clip_[lg]$|<[^>]+>$)"
    )),
    Foreign("checkpoint", re.compile(
        r"^(?:model\.diffusion_model\.|cond_stage_model\.|conditioner\.embedders\.)"
    )),
    Foreign("VAE", re.compile(
        r"^(?:first_stage_model\.|(?:encoder|decoder)\.(?:conv_in|down|up|mid|down_blocks|up_blocks)\b)"
    )),
    Foreign("motion module", re.compile(r"motion_modules\.\d+\.temporal_transformer\.")),
    Foreign("denoiser checkpoint", re.compile(
        r"^(?:diffusion_model\.)?(?:input_blocks|down_blocks|double_blocks|joint_blocks"
        r"|transformer_blocks)\.\d+\..*\.weight$"
    )),
    Foreign("text encoder", re.compile(
        r"^(?:text_model\.)?(?:encoder\.layers\.\d+\.(?:self_attn|mlp)|encoder\.block\.\d|embeddings\.token_embedding|shared\.)"
    )),
    Foreign("hypernetwork", re.compile(r"^\d+\.\d+\.linear\.")),
    Foreign("upscaler", re.compile(r"^(?:body\.\d+\.rdb1\.|model\.1\.sub\.0\.|RRDB_trunk\.)")),
)


def what_it_is(keys: Collection[str], *, network: bool) -> str:
    """The title of what a file is instead of a LoRA, or '' where it is one."""
    candidates = [kind for kind in FOREIGN if kind.certain or not network]
    for kind in candidates:
        if any(kind.pattern.search(key) for key in keys):
            return kind.title
    return "" if network else ("empty file" if not keys else "unknown kind of file")
