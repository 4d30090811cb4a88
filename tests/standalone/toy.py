"""A random-weight Stable Diffusion of toy width, in the layout of a real diffusers folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WIDTHS = (32, 64)
TEXT_WIDTH = 32


def toy_tokenizer_files(folder: Path) -> None:
    """A CLIP tokenizer of letters only: bytes, bytes that end a word, two special tokens."""
    from standalone.tokenizer import END, START, byte_symbols

    symbols = byte_symbols()
    tokens = [*symbols, *(s + "</w>" for s in symbols), START, END]
    folder.mkdir(parents=True)
    vocab = {token: number for number, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocab))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "unk_token": END,
              "bos_token": START, "eos_token": END, "pad_token": END}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def toy_unet(**changes: Any) -> Any:
    from diffusers import UNet2DConditionModel

    options: dict[str, Any] = {
        "sample_size": 8, "in_channels": 4, "out_channels": 4, "layers_per_block": 1,
        "block_out_channels": WIDTHS, "norm_num_groups": 8, "attention_head_dim": 4,
        "cross_attention_dim": TEXT_WIDTH,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    }
    return UNet2DConditionModel(**{**options, **changes})


def toy_vae() -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 16), norm_num_groups=4, latent_channels=4, layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        scaling_factor=0.18215)


def toy_text_config(**changes: Any) -> Any:
    from transformers import CLIPTextConfig

    options: dict[str, Any] = {
        "hidden_size": TEXT_WIDTH, "intermediate_size": 64, "num_hidden_layers": 3,
        "num_attention_heads": 4, "vocab_size": 514, "bos_token_id": 512, "eos_token_id": 513,
        "pad_token_id": 513}
    return CLIPTextConfig(**{**options, **changes})


def write_toy_folder(folder: Path) -> Path:
    """Write the whole model; the same bits every time."""
    import torch
    from transformers import CLIPTextModel

    torch.manual_seed(0)
    toy_unet().save_pretrained(folder / "unet")
    toy_vae().save_pretrained(folder / "vae")
    encoder = CLIPTextModel(toy_text_config())
    for name, parameter in encoder.named_parameters():
        if name.endswith("final_layer_norm.bias"):  # else every answer's mean is zero but for noise
            torch.nn.init.normal_(parameter, mean=0.1, std=0.1)
    encoder.save_pretrained(folder / "text_encoder")
    toy_tokenizer_files(folder / "tokenizer")
    (folder / "scheduler").mkdir()
    noise = {"_class_name": "DDIMScheduler", "num_train_timesteps": 1000, "beta_start": 0.00085,
             "beta_end": 0.012, "beta_schedule": "scaled_linear", "prediction_type": "epsilon"}
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(noise))
    index = {"_class_name": "StableDiffusionPipeline",
             "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
             "text_encoder": ["transformers", "CLIPTextModel"],
             "tokenizer": ["transformers", "CLIPTokenizer"],
             "scheduler": ["diffusers", "DDIMScheduler"]}
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder
