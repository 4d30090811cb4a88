"""Writes the trained parts: the diffusers folder and the networks with kohya's metadata."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel, CLIPTokenizer

from standalone.demo.training.captions import write_tokenizer
from standalone.demo.training.denoiser import new_scheduler
from standalone.demo.training.networks import TrainedNetwork

BASE_ID = "loradex_demo"


def save_model(
    folder: Path,
    vae: AutoencoderKL,
    unet: UNet2DConditionModel,
    text: CLIPTextModel,
    tokenizer: CLIPTokenizer,
) -> None:
    """The diffusers folder in half precision, without a safety checker."""
    pipeline = StableDiffusionPipeline(
        vae=vae.half(),
        text_encoder=text.half(),
        tokenizer=tokenizer,
        unet=unet.half(),
        scheduler=new_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    shutil.rmtree(folder, ignore_errors=True)
    pipeline.save_pretrained(folder, safe_serialization=True)
    # What transformers writes for a tokenizer differs between its versions; these files do not.
    shutil.rmtree(folder / "tokenizer")
    write_tokenizer(folder / "tokenizer")
    _name_as_published(folder / "text_encoder" / "model.safetensors")
    _tidy(folder / "text_encoder" / "config.json", dtype="float32")
    for part in ("unet", "vae"):
        _tidy(folder / part / "config.json")
    _tidy(folder / "model_index.json")


def _name_as_published(path: Path) -> None:
    """Puts back the level `text_model` that newer transformers leave out and every one reads."""
    tensors = load_file(path)
    level = "text_model."
    named = {key if key.startswith(level) else level + key: v for key, v in tensors.items()}
    save_file(named, path, metadata={"format": "pt"})


def _tidy(path: Path, **changes: str) -> None:
    """Drops where the part came from; newer transformers load in the type that is named here."""
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings.pop("_name_or_path", None)
    settings.update(changes)
    path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8", newline="\n")


def network_metadata(network: TrainedNetwork, steps: int) -> dict[str, str]:
    """What kohya's trainers write into a file, as far as it applies; strings only."""
    recipe = network.recipe
    arguments: dict[str, str] = {}
    if recipe.algorithm:
        arguments["algo"] = recipe.algorithm
    if recipe.convolutions:
        arguments |= {"conv_dim": str(recipe.rank), "conv_alpha": str(recipe.alpha)}
    if recipe.kind.__name__ == "DoRA":
        arguments |= {"dora_wd": "True", "wd_on_output": "True"}
    return {
        "ss_network_module": "lycoris.kohya" if arguments else "networks.lora",
        "ss_network_dim": str(recipe.rank),
        "ss_network_alpha": str(recipe.alpha),
        "ss_network_args": json.dumps(arguments),
        "ss_base_model_version": BASE_ID,
        "ss_sd_model_name": "loradex demo model",
        "ss_resolution": "(128, 128)",
        "ss_steps": str(steps),
        "ss_seed": str(network.seed),
        "ss_output_name": recipe.style,
        "ss_tag_frequency": json.dumps({BASE_ID: dict(network.tags.most_common())}),
        "ss_training_comment": recipe.comment,
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.title": recipe.title,
        "modelspec.description": recipe.comment,
        "modelspec.trigger_phrase": recipe.style,
        "modelspec.license": "Apache-2.0",
        "modelspec.resolution": "128x128",
        "modelspec.prediction_type": "v",
    }


def save_network(folder: Path, network: TrainedNetwork, steps: int) -> Path:
    """One network as `STYLE.safetensors`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{network.recipe.style}.safetensors"
    save_file(network.tensors(), str(path), metadata=network_metadata(network, steps))
    return path


def load_base(folder: Path) -> tuple[UNet2DConditionModel, CLIPTextModel, CLIPTokenizer]:
    """The saved base in full precision, as the networks are trained on it."""
    text = CLIPTextModel.from_pretrained(str(folder / "text_encoder"))
    unet = UNet2DConditionModel.from_pretrained(str(folder / "unet"))
    tokenizer = CLIPTokenizer.from_pretrained(str(folder / "tokenizer"))
    return unet.to(torch.float32).eval(), text.to(torch.float32).eval(), tokenizer
