"""The layout of one key: which prefix it carries, which component that names, what is left."""

from __future__ import annotations

import re
from typing import NamedTuple


class Placed(NamedTuple):
    """Where a key belongs: component, flattened module name and the layout that said so."""

    component: str
    name: str
    layout: str


_PREFIXES: dict[str, tuple[str, str]] = {
    "lora_unet__": ("denoiser", "kohya_flat"),  # Wan-Fun writes two underscores
    "lora_unet_": ("denoiser", "kohya_flat"),
    "oft_unet_": ("denoiser", "kohya_oft"),
    "lora_te_": ("te", "kohya_flat_te"),
    "lora_te1_": ("te", "kohya_flat_te"),
    "lora_te2_": ("te2", "kohya_flat_te"),
    "lora_te3_": ("te3", "kohya_flat_te"),
    "lora_transformer_": ("denoiser", "onetrainer_flat"),
    "lora_prior_unet_": ("denoiser", "onetrainer_flat"),
    "lora_prior_te_": ("te", "onetrainer_flat"),
    "lycoris_": ("", "lycoris_flat"),
    "diffusion_model.": ("denoiser", "bfl_dotted_diffusion_model"),
    "model.diffusion_model.": ("denoiser", "bfl_dotted_diffusion_model"),
    "text_encoders.clip_l.": ("te", "comfy_text_encoders"),
    "text_encoders.clip_h.": ("te", "comfy_text_encoders"),
    "text_encoders.clip_g.": ("te2", "comfy_text_encoders"),
    "text_encoders.t5xxl.": ("te3", "comfy_text_encoders"),
    "text_encoders.qwen3_06b.": ("te", "comfy_text_encoders"),  # of Anima
    "text_encoders.gemma2_2b.": ("te", "comfy_text_encoders"),  # of Lumina 2
    "text_encoders.llama.": ("te", "comfy_text_encoders"),  # of HunyuanVideo
    "clip_l.": ("te", "comfy_text_encoders"),
    "clip_h.": ("te", "comfy_text_encoders"),
    "clip_g.": ("te2", "comfy_text_encoders"),
    "t5xxl.": ("te3", "comfy_text_encoders"),
    "cond_stage_model.": ("te", "ldm_text_encoder"),
    "conditioner.embedders.0.": ("te", "ldm_text_encoder"),
    "conditioner.embedders.1.": ("te2", "ldm_text_encoder"),
    "unet.": ("denoiser", "diffusers"),
    "transformer.": ("denoiser", "diffusers"),
    "prior.": ("denoiser", "diffusers"),
    "transformer_2.": ("denoiser2", "diffusers"),  # the low-noise expert of Wan 2.2
    "text_conditioner.": ("text_conditioner", "diffusers"),  # of Anima
    "text_encoder.": ("te", "diffusers"),
    "text_encoder_2.": ("te2", "diffusers"),
    "text_encoder_3.": ("te3", "diffusers"),
    "base_model.model.": ("", "peft_base_model"),
}
_WRAPPED = "base_model.model."
for _name in ("unet.", "transformer.", "text_encoder.", "text_encoder_2.", "text_encoder_3."):
    _PREFIXES[_name + _WRAPPED] = (_PREFIXES[_name][0], "peft_base_model")

_PREFIX = re.compile("|".join(re.escape(p) for p in sorted(_PREFIXES, key=len, reverse=True)))
# A level that only says "this is the text encoder's module" in the native trees.
_TE_LEVEL = re.compile(
    r"^(?:transformer\.(?=text_model\.|encoder\.|text_projection|model\.)|model\.)"
)

_DIFFUSERS = re.compile(
    r"(?!time_embedding[._]\d)"  # the native tree of Wan
    r"(?:down_blocks|mid_block|up_blocks|transformer_blocks|single_transformer_blocks"
    r"|joint_transformer_blocks|conv_in|conv_out|conv_norm_out|time_embedding|add_embedding"
    r"|x_embedder|context_embedder|time_text_embed|time_guidance_embed|encoder_hid_proj|pos_embed"
    r"|proj_out|norm_out|text_fusion|patch_embed|adaln_single|caption_projection|caption_norm"
    r"|time_embed|time_extra_emb|text_embedder|time_step_proj|time_caption_embed"
    r"|time_condition_embed|ofs_embedding|norm_final|proj_in|all_x_embedder|all_final_layer"
    r"|audio_proj_in|audio_proj_out|audio_caption_projection|audio_time_embed|prompt_adaln"
    r"|audio_prompt_adaln|av_cross_attn_(?:video|audio)_\w+"
    r"|condition_embedder|image_embedder|clean_x_embedder|image_projection|context_embedder_2"
    r"|cond_type_embed|txt_norm|time_mod_proj"
    r"|blocks[._]\d+[._](?:attn[12][._]to_[qkvo]\w*|ffn[._]net))(?:[._]|$)"
)
_SGM = re.compile(
    r"(?:(?:input_blocks|middle_block|output_blocks|time_embed|label_emb)[._]\d|out[._][02]$)"
)
_BFL = re.compile(
    r"(?:double_blocks|single_blocks|img_in|txt_in|time_in|vector_in|guidance_in|final_layer"
    r"|distilled_guidance_layer|double_stream_modulation|single_stream_modulation)(?:[._]|$)"
)
_NATIVE = re.compile(
    r"(?:blocks|layers|joint_blocks|context_refiner|noise_refiner|llm_adapter"
    r"|double_layers|single_layers|double_stream_blocks|single_stream_blocks|siglip_refiner"
    r"|siglip_embedder|t_embedder|y_embedder|cap_embedder|p_embedder|csize_embedder|ar_embedder"
    r"|cfg_embedder|extra_embedder|style_embedder|t5_y_embedder|t5_yproj|mlp_t5|t_block"
    r"|attention_y_norm|patchify_proj|audio_patchify_proj|audio_adaln_single|prompt_adaln_single"
    r"|audio_prompt_adaln_single|av_ca_\w+|init_x_linear|cond_seq_linear|final_linear|modF"
    r"|pooler[._][ckqv]_proj|patch_embedding|vace_patch_embedding|vace_blocks|text_embedding"
    r"|time_embedding|time_projection|img_emb|head[._]head|vision_in|byt5_in|time_r_in"
    r"|cond_type_embedding|t_embedding_norm|crossattn_proj|txtfusion|txtmlp|tmlp|tproj|first"
    r"|last[._](?:linear|norm))(?:[._]|$)"
)
_TEXT = re.compile(
    r"(?:text_model[._]|encoder[._](?:layers|block)[._]\d|text_projection$|transformer[._]resblocks"
    r"|(?:model[._])?layers[._]\d+[._](?:self_attn|mlp)[._][a-z]+_proj$"
    r"|final_layer_norm$|embeddings[._](?:token|position)_embedding$)"
)


def namespace(name: str) -> str:
    """The name space of a denoiser's module, dotted or flat: diffusers, sgm, native or ''."""
    if _SGM.match(name):
        return "sgm"
    if _DIFFUSERS.match(name):
        return "diffusers"
    if _BFL.match(name) or _NATIVE.match(name):
        return "native"
    return ""


def place(stem: str, key: str) -> Placed:
    """Where the module `stem` (a key without its suffix) belongs."""
    placed = _prefixed(stem, key)
    # diffusers has AnimateDiff's motion modules inside the UNet and names them so.
    return placed._replace(component="motion") if "motion_modules_" in placed.name else placed


def _prefixed(stem: str, key: str) -> Placed:
    found = _PREFIX.match(stem)
    if found is None:
        return _bare(stem)
    component, rule = _PREFIXES[found[0]]
    rest = stem[found.end():]
    if rule == "kohya_flat":
        return Placed(component, _flat(rest), f"kohya_flat_{namespace(rest) or 'native'}")
    if rule == "kohya_flat_te":
        return Placed(component, _flat(rest), rule)
    return _dotted(component, rest, rule, found[0], key)


def _dotted(component: str, rest: str, rule: str, prefix: str, key: str) -> Placed:
    if ".processor." in rest:
        return _processor(component, rest)
    old_encoder = _OLD_ENCODER.match(rest) if component.startswith("te") else None
    if old_encoder:
        name = f"{old_encoder[1]}.{old_encoder[2]}_proj"
        return Placed(component, _flat(name), "diffusers_old_processor")
    if rule in ("comfy_text_encoders", "ldm_text_encoder"):
        return Placed(component, _flat(_TE_LEVEL.sub("", rest)), rule)
    if rule == "kohya_oft":
        space = namespace(rest) or "native"
        return Placed(component, _flat(rest), f"kohya_flat_{space}_oft_prefix")
    component = component or _component_by_name(rest)
    if rule == "peft_base_model":
        kind = namespace(rest) or ("text_encoder" if component == "te" else "native")
        return Placed(component, _flat(rest), f"peft_base_model_{kind}")
    if rule == "diffusers":
        return Placed(component, _flat(rest), _diffusers_layout(prefix, key))
    return Placed(component, _flat(rest), rule)


def _diffusers_layout(prefix: str, key: str) -> str:
    if ".lora.down." in key or ".lora.up." in key or ".lora_linear_layer." in key:
        return "diffusers_dotted_lora.down"
    return "diffusers_peft_" + prefix[:-1].rstrip("_23")


def _bare(stem: str) -> Placed:
    if ".processor." in stem:
        return _processor("denoiser", stem)
    component = _component_by_name(stem)
    if component == "te":
        return Placed(component, _flat(stem), "text_encoder_bare")
    space = namespace(stem)
    if space == "diffusers":
        return Placed(component, _flat(stem), "diffusers_bare")
    if space:
        layout = "bfl_control_peft" if _BFL.match(stem) else "native_bare"
        return Placed(component, _flat(stem), layout)
    return Placed("", _flat(stem), "unknown")


def _component_by_name(name: str) -> str:
    if _TEXT.match(name):
        return "te"
    return "denoiser" if namespace(name) else ""


# Text encoders of diffusers 0.15 .. 0.17 were trained under the processor's names.
_OLD_ENCODER = re.compile(r"^(.*\.self_attn)\.to_(q|k|v|out)(?:_lora)?$")
_XLABS = re.compile(r"^(double|single)_blocks\.(\d+)\.processor\.(qkv|proj)(?:#(\d))?$")


def _processor(component: str, stem: str) -> Placed:
    """Names that live in an attention processor: XLabs' Flux files and old diffusers files."""
    xlabs = _XLABS.match(stem)
    if xlabs:
        return Placed("denoiser", _xlabs_name(xlabs), "xlabs_processor")
    name = stem.replace(".processor.", ".").removesuffix("_lora")
    if name.endswith(".to_out"):
        name += ".0"
    if "motion_modules." in name:
        return Placed("motion", _flat(name), "animatediff_motion_lora")
    return Placed(component, _flat(name), "diffusers_old_processor")


def _xlabs_name(found: re.Match[str]) -> str:
    stream, block, layer, digit = found.groups()
    if stream == "double":
        attention = "txt_attn" if digit == "2" else "img_attn"
        return f"double_blocks_{block}_{attention}_{layer}"
    return f"single_blocks_{block}_" + ("linear1_qkv" if layer == "qkv" else "linear2")


def _flat(name: str) -> str:
    return name.replace(".", "_")
