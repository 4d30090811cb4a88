"""Loads a checkpoint file: header first, then exactly the tensors that the model has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loradex.keys.architecture import Leaf, Region
from loradex.keys.clip import clip_architecture
from loradex.keys.unet import unet_architecture

from standalone.device import pick_dtype, vae_dtype
from standalone.model import LoadedModel, TextEncoder
from standalone.single_file.convert import Tensors, build, native_keys, state_dict
from standalone.single_file.facts import UNET, VAE, Facts, TextFacts, read_facts
from standalone.single_file.prediction import (
    ALPHAS,
    NORM_BIAS,
    scheduler_config,
    stored_noise,
)
from standalone.single_file.vae_table import vae_leaves
from standalone.tokenizer import END, clip_tokenizer

if TYPE_CHECKING:
    import torch
    from loradex.files.header import Header


def load_single_file(
    path: Path, checkpoint: str, device: torch.device, dtype: str | None = None
) -> LoadedModel:
    """Read a `.safetensors`, `.ckpt`, `.pth`, `.pt` or `.bin` checkpoint into main memory.

    The network is never asked.

    Raises:
        FileError: the file is broken, unsafe, or no checkpoint that can be run here.
    """
    from loradex.files.pickle_header import read_model_header
    from loradex.networks.tensors import read_tensors

    header = read_model_header(path)
    facts = read_facts(path.name, {name: info.shape for name, info in header.tensors.items()})
    number = pick_dtype(dtype, device, _stored_dtype(header))
    tensors = read_tensors(path, _wanted(facts) & header.tensors.keys())
    scheduler = scheduler_config(
        path, facts.family, header.tensors.keys(), header.metadata, lambda: _spread(tensors))
    if facts.family != "sdxl":  # the WebUI computes SDXL's and ignores the file
        scheduler |= stored_noise(tensors.get(ALPHAS))
    side = {"sample_size": 96} if _is_sd2_v(facts, scheduler) else {}
    return LoadedModel(
        checkpoint, path.stem, facts.family,
        _unet(path.name, {**facts.unet, **side}, tensors, number),
        _vae(path.name, facts, tensors),
        tuple(_text_encoder(path.name, text, tensors, number) for text in facts.text),
        scheduler, device, number,
    )


def _is_sd2_v(facts: Facts, scheduler: Mapping[str, Any]) -> bool:
    """The v models of SD 2 were trained at 768 pixels, the others at 512."""
    return facts.family == "sd2" and scheduler["prediction_type"] == "v_prediction"


def _stored_dtype(header: Header) -> str:
    infos = [info for name, info in header.tensors.items() if name.startswith(UNET)]
    return max(infos, key=lambda info: info.stop - info.start).dtype


def _spread(tensors: Tensors) -> float:
    return float(tensors[NORM_BIAS].float().std())


def _wanted(facts: Facts) -> set[str]:
    """The keys of the file that the model is made of: not the EMA copy, not the optimizer."""
    keys = native_keys(unet_architecture(facts.unet).leaves, UNET)
    keys |= native_keys(vae_leaves(facts.vae), VAE) | {ALPHAS}
    for text in facts.text:
        keys |= native_keys(_text_leaves(text), text.prefix)
    return keys


def _unet(
    subject: str, config: Mapping[str, Any], tensors: Tensors, dtype: torch.dtype
) -> Any:
    from diffusers import UNet2DConditionModel

    leaves = unet_architecture(config).leaves
    state = state_dict(subject, leaves, UNET, tensors, dtype)
    return build(lambda: UNet2DConditionModel(**config), state)


def _vae(subject: str, facts: Facts, tensors: Tensors) -> Any:
    from diffusers import AutoencoderKL

    state = state_dict(subject, vae_leaves(facts.vae), VAE, tensors, vae_dtype())
    return build(lambda: AutoencoderKL(**facts.vae), state)


def _text_encoder(
    subject: str, text: TextFacts, tensors: Tensors, dtype: torch.dtype
) -> TextEncoder:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    state = state_dict(subject, _text_leaves(text), text.prefix, tensors, dtype)
    cls = CLIPTextModelWithProjection if text.projection else CLIPTextModel
    config = CLIPTextConfig(**text.config, architectures=[cls.__name__])
    model = build(lambda: cls(config), state)
    return TextEncoder(model, clip_tokenizer("!" if text.open_clip else END))


def _text_leaves(text: TextFacts) -> tuple[Leaf, ...]:
    leaves = clip_architecture(
        text.config, text.projection, "open_clip" if text.open_clip else "hf").leaves
    if text.open_clip:
        return leaves
    # The prefix of these files ends with the level that the table's names begin with.
    return tuple(replace(leaf, native=_without_level(leaf.native)) for leaf in leaves)


def _without_level(region: Region) -> Region:
    return replace(region, module=region.module.removeprefix("text_model."))
