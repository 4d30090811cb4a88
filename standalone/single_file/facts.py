"""What a checkpoint's tensor names and shapes say of it; every configuration is derived here.

Only four things are not in a header and come as facts of the families: how many heads an
attention has, the activation of the text encoders, the size of the training pictures and the
VAE's scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loradex.errors import FileError

from standalone.single_file.unet_config import unet_config

Shapes = Mapping[str, tuple[int, ...]]

UNET = "model.diffusion_model."
VAE = "first_stage_model."
VOCABULARY = 49408
"""Tokens of CLIP's vocabulary (github.com/openai/CLIP), which is part of the project."""

_STEP = "Choose a text-to-image checkpoint of SD 1.x, SD 2.x or SDXL."
_INPUTS = {5: "a depth model", 7: "an upscaler", 8: "an instruct-pix2pix model",
           9: "an inpainting model"}


@dataclass(frozen=True)
class TextFacts:
    """One text encoder: where it lies in the file, in which layout, and its configuration."""

    prefix: str
    open_clip: bool
    projection: bool
    config: Mapping[str, Any]


@dataclass(frozen=True)
class Facts:
    """Everything that is needed to build a checkpoint's parts."""

    family: str
    unet: Mapping[str, Any]
    vae: Mapping[str, Any]
    text: tuple[TextFacts, ...]


class _File:
    """The shapes of one file, and the error that names it."""

    def __init__(self, subject: str, shapes: Shapes) -> None:
        self.subject = subject
        self.shapes = shapes

    def has(self, prefix: str) -> bool:
        return any(name.startswith(prefix) for name in self.shapes)

    def shape(self, name: str) -> tuple[int, ...]:
        if name not in self.shapes:
            raise self.refuse(f"lacks {name}", "a whole checkpoint", "Download it again.")
        return self.shapes[name]

    def count(self, prefix: str) -> int:
        """How many numbered parts follow `prefix`."""
        numbers = {name[len(prefix):].partition(".")[0]
                   for name in self.shapes if name.startswith(prefix)}
        return sum(number.isdecimal() for number in numbers)

    def refuse(self, found: str, expected: str = "", step: str = _STEP) -> FileError:
        return FileError(self.subject, found, expected, step, code="checkpoint")


def read_facts(subject: str, shapes: Shapes) -> Facts:
    """Decide the family and derive every configuration.

    Raises:
        FileError: the file is no checkpoint, or one that cannot be run here.
    """
    file = _File(subject, shapes)
    _check_checkpoint(file)
    family, text = _text_encoders(file)
    unet = unet_config(shapes, UNET, family)
    if unet is None:
        raise file.refuse("its UNet has a layout that is not known", "the original one")
    _check_inputs(file, unet["in_channels"])
    _check_widths(file, unet, text)
    if family == "sdxl":
        unet = _with_size_embedding(file, unet, text[-1])
    return Facts(family, unet, _vae_config(file, family), text)


def _check_checkpoint(file: _File) -> None:
    if file.has(UNET):
        if not file.has(VAE):
            raise file.refuse("has no VAE (first_stage_model)", "a checkpoint with its VAE",
                              "Download the full version.")
        return
    if any("lora" in name or "hada_" in name or "lokr_" in name for name in file.shapes):
        raise file.refuse("a LoRA, not a checkpoint", "",
                          "Put it into the LoRA folder and write <lora:NAME:1>.")
    raise file.refuse("holds no Stable Diffusion UNet", "model.diffusion_model.* tensors")


def _text_encoders(file: _File) -> tuple[str, tuple[TextFacts, ...]]:
    """The family follows from the encoders: each family has its own pair of place and layout."""
    if file.has("conditioner.embedders.1.model."):
        return "sdxl", (
            _openai(file, "conditioner.embedders.0.transformer."),
            _open_clip(file, "conditioner.embedders.1.model.", projection=True),
        )
    if file.has(UNET + "label_emb."):
        raise file.refuse("an SDXL refiner, which only finishes another model's pictures")
    if file.has("cond_stage_model.transformer."):
        return "sd1", (_openai(file, "cond_stage_model.transformer."),)
    # SD 2 Turbo keeps the same encoder under SDXL's name for it.
    for prefix in ("cond_stage_model.model.", "conditioner.embedders.0.model."):
        if file.has(prefix):
            return "sd2", (_open_clip(file, prefix, projection=False),)
    raise file.refuse("has no CLIP text encoder", "a checkpoint with its text encoder",
                      "Download the full version.")


def _openai(file: _File, prefix: str) -> TextFacts:
    """OpenAI's CLIP-L as transformers names it; the oldest files lack the `text_model.` level."""
    trunk = prefix + "text_model."
    if not file.has(trunk):
        trunk = prefix
    width = file.shape(trunk + "embeddings.token_embedding.weight")
    inner = file.shape(trunk + "encoder.layers.0.mlp.fc1.weight")[0]
    config = _text_config(file, width, file.count(trunk + "encoder.layers."), inner, "quick_gelu")
    return TextFacts(trunk, False, False, config)


def _open_clip(file: _File, prefix: str, *, projection: bool) -> TextFacts:
    """open_clip's H (SD 2) or G (SDXL). SD 2 was trained on the last layer but one, and no part
    of it reads the last."""
    width = file.shape(prefix + "token_embedding.weight")
    inner = file.shape(prefix + "transformer.resblocks.0.mlp.c_fc.weight")[0]
    layers = file.count(prefix + "transformer.resblocks.") - (0 if projection else 1)
    config = _text_config(file, width, layers, inner, "gelu")
    if projection:
        config["projection_dim"] = file.shape(prefix + "text_projection")[1]
    return TextFacts(prefix, True, projection, config)


def _text_config(
    file: _File, embedding: tuple[int, ...], layers: int, inner: int, activation: str
) -> dict[str, Any]:
    vocabulary, width = embedding
    if vocabulary != VOCABULARY:
        raise file.refuse(f"its text encoder has {vocabulary} tokens", f"CLIP's {VOCABULARY}")
    return {
        "vocab_size": vocabulary, "hidden_size": width, "intermediate_size": inner,
        "num_hidden_layers": layers, "hidden_act": activation,
        "num_attention_heads": width // 64,  # 64 wide in CLIP-L, H and G alike
        "max_position_embeddings": 77, "projection_dim": width,
        "bos_token_id": VOCABULARY - 2, "eos_token_id": VOCABULARY - 1,
        "pad_token_id": VOCABULARY - 1,
    }


def _check_inputs(file: _File, channels: int) -> None:
    if channels != 4:
        what = _INPUTS.get(channels, "another kind of model")
        raise file.refuse(f"{what} (its UNet takes {channels} channels)", "4 channels")


def _check_widths(file: _File, unet: Mapping[str, Any], text: tuple[TextFacts, ...]) -> None:
    given = sum(int(encoder.config["hidden_size"]) for encoder in text)
    taken = unet["cross_attention_dim"]
    if given != taken:
        raise file.refuse(f"its UNet attends to {taken} numbers and its text encoders give {given}",
                          "the same", "The file was put together from two families.")


def _with_size_embedding(
    file: _File, unet: dict[str, Any], second: TextFacts
) -> dict[str, Any]:
    """SDXL's UNet is told six sizes beside the pooled text (formats: label_emb, adm 2816)."""
    inputs = file.shape(UNET + "label_emb.0.0.weight")[1]
    return {
        **unet, "addition_embed_type": "text_time",
        "addition_time_embed_dim": (inputs - second.config["projection_dim"]) // 6,
        "projection_class_embeddings_input_dim": inputs,
    }


def _vae_config(file: _File, family: str) -> dict[str, Any]:
    down = VAE + "encoder.down."
    levels = file.count(down)
    channels = tuple(file.shape(f"{down}{i}.block.0.conv1.weight")[0] for i in range(levels))
    side = {"sd1": 512, "sd2": 768, "sdxl": 1024}[family]
    return {
        "in_channels": 3, "out_channels": 3, "sample_size": side,
        "latent_channels": file.shape(VAE + "decoder.conv_in.weight")[1],
        "block_out_channels": channels, "layers_per_block": file.count(down + "0.block."),
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
        # One over the standard deviation of the latents in training (the families' own configs).
        "scaling_factor": 0.13025 if family == "sdxl" else 0.18215,
    }


