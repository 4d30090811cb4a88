"""Small checkpoints in the shape of the real ones: SD1, SD2 and SDXL as the WebUI's configs do.

Only widths and depths are smaller; the nesting, the names and the kinds of modules are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from loradex.keys.architecture import Architecture
from loradex.keys.clip import clip_architecture
from loradex.keys.targets import Rows
from loradex.keys.unet import unet_architecture
from safetensors.torch import save
from torch import Tensor, nn

from tests.networks.native_trees import build_native
from tests.webui.fakehost.walk import WIDTH, Walk, mixed, walking

FAMILIES = ("sd1", "sd2", "sdxl", "refiner")
_CLIP = {"vocab_size": 64, "intermediate_size": 64, "num_hidden_layers": 2, "projection_dim": 32}
_UNET = {"block_out_channels": (8, 16, 16, 16), "attention_head_dim": 4}
_SDXL = {
    "block_out_channels": (8, 16, 16), "attention_head_dim": 4, "use_linear_projection": True,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 3), "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 80,
}
_CONFIGS: Mapping[str, Mapping[str, Any]] = {
    "sd1": {**_UNET, "cross_attention_dim": 16},
    "sd2": {**_UNET, "cross_attention_dim": 24, "use_linear_projection": True},
    "sdxl": {**_SDXL, "cross_attention_dim": 48},
    "refiner": {**_SDXL, "cross_attention_dim": 32},
}


def architectures(family: str) -> Mapping[str, Architecture]:
    """The tables of one family by where kohya's keys say they belong: `unet`, `te`, `te1`, ..."""
    tables = {"unet": unet_architecture(_CONFIGS[family])}
    if family == "sd1":
        tables["te"] = clip_architecture({**_CLIP, "hidden_size": 16})
    elif family == "sd2":
        tables["te"] = _open_clip(24)
    elif family == "sdxl":
        tables |= {"te1": clip_architecture({**_CLIP, "hidden_size": 16}), "te2": _open_clip(32)}
    else:
        tables["te1"] = _open_clip(32)
    return tables


def _open_clip(width: int) -> Architecture:
    return clip_architecture(
        {**_CLIP, "hidden_size": width, "hidden_act": "gelu"}, with_projection=True)


class UNet(Walk):
    """The LDM UNet: its parts are called one by one, the root as a whole."""

    def forward(self, x: Tensor, timesteps: Tensor, context: Tensor) -> Tensor:
        """x: [batch, 4, 2, 2], context: [batch, 16]"""
        signal = x.reshape(len(x), WIDTH) + context + 0.01 * timesteps
        blocks = [self.time_embed, *self.input_blocks, self.middle_block, *self.output_blocks]
        if hasattr(self, "label_emb"):
            blocks.insert(1, self.label_emb)
        for block in (*blocks, self.out):
            signal = block(signal)
        return signal.reshape(x.shape)


class CLIPTextModel(Walk):
    """Hugging Face's: the root's forward is called."""

    def forward(self, input_ids: Tensor) -> Tensor:
        """input_ids: [batch, tokens] -> [batch, 16]"""
        embeddings = self.text_model.embeddings
        words = embeddings.token_embedding(input_ids)
        signal = mixed(words.new_zeros(len(words), WIDTH), words)
        signal = mixed(signal, embeddings.position_embedding.weight.expand(len(words), -1, -1))
        return torch.as_tensor(self.text_model(signal, "embeddings"))


class FrozenCLIPEmbedder(nn.Module):
    """What the checkpoint's configuration puts around the encoder of Hugging Face."""

    def __init__(self, transformer: nn.Module) -> None:
        super().__init__()
        self.transformer = transformer

    def encode_with_transformer(self, tokens: Tensor) -> Tensor:
        return torch.as_tensor(self.transformer(input_ids=tokens))


class FrozenOpenCLIPEmbedder(nn.Module):
    """open_clip's: its parts are called, the root's forward never is."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def encode_with_transformer(self, tokens: Tensor) -> Tensor:
        words = self.model.token_embedding(tokens)
        signal = mixed(words.new_zeros(len(words), WIDTH), words)
        for name in ("positional_embedding", "text_projection"):
            weight = getattr(self.model, name)
            signal = mixed(signal, weight.reshape(1, -1).expand(len(words), -1))
        for block in self.model.transformer.resblocks:
            signal = block(signal)
        return torch.as_tensor(mixed(signal, self.model.ln_final(
            signal.repeat(1, 2)[:, :self.model.ln_final.normalized_shape[0]])))


class FrozenOpenCLIPEmbedder2(FrozenOpenCLIPEmbedder):
    """sgm's name for it in SDXL."""


class Conditioner(nn.Module):
    """SDXL's: all encoders, in order."""

    def __init__(self, embedders: list[nn.Module]) -> None:
        super().__init__()
        self.embedders = nn.ModuleList(embedders)

    def forward(self, texts: list[str]) -> Tensor:
        parts = [embedder(texts) for embedder in self.embedders]
        return torch.stack(parts).sum(0) + 0.5 * parts[0]


class DiffusionWrapper(nn.Module):
    """LDM's `model.model`, whose only part is the UNet."""

    def __init__(self, unet: nn.Module) -> None:
        super().__init__()
        self.diffusion_model = unet

    def forward(self, *args: Any) -> Any:
        return self.diffusion_model(*args)


class FirstStage(nn.Module):
    """The VAE: layers of the patched classes that no network is meant for."""

    def __init__(self) -> None:
        super().__init__()
        self.post_quant_conv = nn.Conv2d(4, 4, 1)

    def encode(self, x: Tensor) -> Tensor:
        return x

    def decode(self, z: Tensor) -> Tensor:
        return torch.as_tensor(self.post_quant_conv(z))


class LatentDiffusion(nn.Module):
    """The whole checkpoint, before the WebUI puts its own wrappers in."""

    def __init__(self, family: str) -> None:
        super().__init__()
        built = {name: walking(build_native(one)) for name, one in architectures(family).items()}
        built["unet"].__class__ = UNet
        self.family = family
        self.model = DiffusionWrapper(built.pop("unet"))
        self.first_stage_model = FirstStage()
        for root in built.values():
            if hasattr(root, "text_model"):
                root.__class__ = CLIPTextModel
        if family == "sd1":
            self.cond_stage_model: nn.Module = FrozenCLIPEmbedder(built["te"])
        elif family == "sd2":
            self.cond_stage_model = FrozenOpenCLIPEmbedder(built["te"])
        else:
            self.conditioner = Conditioner([
                FrozenCLIPEmbedder(root) if isinstance(root, CLIPTextModel)
                else FrozenOpenCLIPEmbedder2(root) for root in built.values()])
        self.is_sdxl = family in ("sdxl", "refiner")
        self.is_sd1, self.is_sd2 = family == "sd1", family == "sd2"
        self.is_ssd = self.is_sd3 = False

    def apply_model(self, x: Tensor, timesteps: Tensor, context: Tensor) -> Tensor:
        return torch.as_tensor(self.model(x, timesteps, context))


def write_checkpoint(path: Path, family: str, seed: int) -> None:
    """A checkpoint file of one family; another seed, other weights."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_checkpoint(family, seed))


@lru_cache
def _checkpoint(family: str, seed: int) -> bytes:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        weights = {
            name: tensor.clone() + 0.05 * torch.randn(tensor.shape)
            for name, tensor in LatentDiffusion(family).state_dict().items()
        }
    return save(weights, {"family": family})


def kohya_places(family: str) -> Iterator[tuple[str, str, Rows | None]]:
    """(kohya's module name, the WebUI's layer name, its rows) of all weights of a family."""
    for part, table in architectures(family).items():
        prefix = f"lora_{part}_"
        for leaf in table.leaves:
            layer = _layer_prefix(family, part, leaf.native.module) + leaf.native.module
            layer = layer.replace(".", "_")
            yield prefix + leaf.diffusers.module.replace(".", "_"), layer, leaf.native.rows
            if family == "sdxl" and part == "unet":
                yield prefix + leaf.native.module.replace(".", "_"), layer, leaf.native.rows


def _layer_prefix(family: str, part: str, module: str) -> str:
    if part == "unet":
        return "diffusion_model_"
    wrapper = "transformer_" if module.startswith("text_model.") else "model_"
    return wrapper if part == "te" else f"{int(part[-1]) - 1}_{wrapper}"
