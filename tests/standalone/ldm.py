"""Checkpoints in the original layout: real architectures at narrow widths, random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# Same blocks as the real models; only the widths are small. Text encoders are 64 wide a head.
FAMILIES: dict[str, dict[str, Any]] = {
    "sd1": {"channels": (32, 64, 64, 64), "text": (64,)},
    "sd2": {"channels": (64, 128, 128, 128), "text": (64,)},
    "sdxl": {"channels": (64, 128, 128), "text": (64, 128)},
}
FULL: dict[str, dict[str, Any]] = {
    "sd1": {"channels": (320, 640, 1280, 1280), "text": (768,), "layers": (12,)},
    "sd2": {"channels": (320, 640, 1280, 1280), "text": (1024,), "layers": (23,)},
    "sdxl": {"channels": (320, 640, 1280), "text": (768, 1280), "layers": (12, 32)},
}


def make_models(family: str, sizes: dict[str, Any]) -> dict[str, Any]:
    """UNet, VAE and text encoders as diffusers folders configure them."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    torch.manual_seed(0)
    full = "layers" in sizes
    layers = sizes.get("layers", (2, 3))
    models: dict[str, Any] = {"unet": UNet2DConditionModel(**unet_options(family, sizes))}
    for number, width in enumerate(sizes["text"]):
        open_clip = family == "sd2" or number == 1
        config = CLIPTextConfig(
            hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers[number],
            num_attention_heads=width // 64, vocab_size=49408, projection_dim=width,
            hidden_act="gelu" if open_clip else "quick_gelu", bos_token_id=49406,
            eos_token_id=49407, pad_token_id=49407)
        cls = CLIPTextModelWithProjection if number else CLIPTextModel
        models["text_encoder" + ("_2" if number else "")] = cls(config)
    vae = (128, 256, 512, 512) if full else (32, 32)
    models["vae"] = AutoencoderKL(
        block_out_channels=vae, latent_channels=4, layers_per_block=2,
        down_block_types=("DownEncoderBlock2D",) * len(vae),
        up_block_types=("UpDecoderBlock2D",) * len(vae),
        scaling_factor=0.13025 if family == "sdxl" else 0.18215)
    return models


def unet_options(family: str, sizes: dict[str, Any]) -> dict[str, Any]:
    channels, context = sizes["channels"], sum(sizes["text"])
    options: dict[str, Any] = {"block_out_channels": channels, "cross_attention_dim": context,
                               "sample_size": 64}
    if family == "sd1":
        return {**options, "attention_head_dim": 8}
    options |= {"attention_head_dim": tuple(c // 64 for c in channels),
                "use_linear_projection": True}
    if family == "sd2":
        return options
    return {
        **options, "sample_size": 128,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 10) if "layers" in sizes else (1, 2, 3),
        "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 6 * 256 + sizes["text"][-1],
    }


TEXT_PLACES = {
    "sd1": ("cond_stage_model.transformer.",),
    "sd2": ("cond_stage_model.model.",),
    "sdxl": ("conditioner.embedders.0.transformer.", "conditioner.embedders.1.model."),
}


def to_native(family: str, models: dict[str, Any]) -> dict[str, Any]:
    """The models' weights under their original names."""
    from loradex.keys.clip import clip_architecture
    from loradex.keys.unet import unet_architecture

    from standalone.single_file.vae_table import vae_leaves

    unet, vae = models["unet"], models["vae"]
    leaves = unet_architecture(dict(unet.config)).leaves
    found = native_weights(leaves, unet, "model.diffusion_model.")
    found |= native_weights(vae_leaves(dict(vae.config)), vae, "first_stage_model.")
    attentions = [key for key in found if ".attn_1." in key and key.endswith("weight")]
    for key in attentions:  # 1x1 convolutions in the original
        if found[key].ndim == 2:
            found[key] = found[key][:, :, None, None]
    for number, prefix in enumerate(TEXT_PLACES[family]):
        model = models["text_encoder" + ("_2" if number else "")]
        open_clip = prefix.endswith("model.")
        config = model.config.to_dict()
        leaves = clip_architecture(
            config, bool(number), "open_clip" if open_clip else "hf").leaves
        found |= native_weights(leaves, model, prefix)
        if family == "sd2":  # the last layer, which nothing reads
            last, new = (f"{prefix}transformer.resblocks.{n}." for n in (
                config["num_hidden_layers"] - 1, config["num_hidden_layers"]))
            found |= {key.replace(last, new): value.clone() for key, value in found.items()
                      if key.startswith(last)}
    return found


def native_weights(leaves: Any, model: Any, prefix: str) -> dict[str, Any]:
    import torch

    from standalone.single_file.convert import bias_key

    state = model.state_dict()
    pieces: dict[str, list[tuple[int, Any]]] = {}
    for leaf in leaves:
        module = leaf.diffusers.module
        if f"{module}.weight" not in state:
            module = module.removeprefix("text_model.")
        start = leaf.native.rows.start if leaf.native.rows else 0
        weight = state[f"{module}.weight"]
        weight = weight.T if leaf.native.transposed else weight
        pieces.setdefault(prefix + leaf.native.key, []).append((start, weight))
        if leaf.bias:
            key = prefix + bias_key(leaf.native)
            pieces.setdefault(key, []).append((start, state[f"{module}.bias"]))
    return {key: torch.cat([t for _, t in sorted(parts, key=lambda p: p[0])]).contiguous()
            for key, parts in pieces.items()}


def write_folder(folder: Path, family: str, models: dict[str, Any], **noise: Any) -> Path:
    """The same models as a diffusers folder without tokenizer files."""
    index: dict[str, Any] = {"_class_name": "StableDiffusionPipeline"}
    if family == "sdxl":
        index["_class_name"] = "StableDiffusionXLPipeline"
    for name, model in models.items():
        model.save_pretrained(folder / name)
        index[name] = ["x", type(model).__name__]
    (folder / "model_index.json").write_text(json.dumps(index))
    (folder / "scheduler").mkdir()
    config = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
              "num_train_timesteps": 1000, "prediction_type": "epsilon", **noise}
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    return folder
