"""Network files for a checkpoint, with the names that trainers write and the shapes it has."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.networks.type_cases import (
    Maker,
    loha_parts,
    lokr_parts,
    lora_parts,
    tucker_parts,
    with_magnitude,
)

Parts = dict[str, Tensor]
Shape = tuple[int, ...]

UNET = "model.diffusion_model."
_TEXT_1 = {"cond_stage_model.transformer.": "lora_te_",
           "conditioner.embedders.0.transformer.": "lora_te1_"}
_OPEN_CLIP = {"cond_stage_model.model.transformer.resblocks.": "lora_te_",
              "conditioner.embedders.1.model.transformer.resblocks.": "lora_te2_"}
_OPEN_CLIP_PARTS = {"attn.out_proj": "self_attn_out_proj", "mlp.c_fc": "mlp_fc1",
                    "mlp.c_proj": "mlp_fc2", "ln_1": "layer_norm1", "ln_2": "layer_norm2"}
_RESNET = {"in_layers_0": "norm1", "in_layers_2": "conv1", "emb_layers_1": "time_emb_proj",
           "out_layers_0": "norm2", "out_layers_3": "conv2", "skip_connection": "conv_shortcut"}
_OUTER = {"input_blocks_0_0": "conv_in", "out_0": "conv_norm_out", "out_2": "conv_out",
          "time_embed_0": "time_embedding_linear_1", "time_embed_2": "time_embedding_linear_2",
          "middle_block_0": "mid_block_resnets_0", "middle_block_2": "mid_block_resnets_1",
          "middle_block_1": "mid_block_attentions_0"}


def _diffusers_blocks() -> dict[str, str]:
    """The blocks of SD 1 and SD 2 in diffusers' names, which trainers write for them."""
    found = dict(_OUTER)
    for level in range(4):
        first = 3 * level
        for i in range(2):
            found[f"input_blocks_{first + 1 + i}_0"] = f"down_blocks_{level}_resnets_{i}"
            found[f"input_blocks_{first + 1 + i}_1"] = f"down_blocks_{level}_attentions_{i}"
        found[f"input_blocks_{first + 3}_0_op"] = f"down_blocks_{level}_downsamplers_0_conv"
        for i in range(3):
            found[f"output_blocks_{first + i}_0"] = f"up_blocks_{level}_resnets_{i}"
            found[f"output_blocks_{first + i}_1"] = f"up_blocks_{level}_attentions_{i}"
        for place in (1, 2):
            found[f"output_blocks_{first + 2}_{place}_conv"] = (
                f"up_blocks_{level}_upsamplers_0_conv")
    return found


_BLOCKS = _diffusers_blocks()


def _in_diffusers_names(module: str) -> str:
    block = max((b for b in _BLOCKS if module == b or module.startswith(b + "_")), key=len)
    rest = module[len(block) + 1:]
    return "_".join(filter(None, [_BLOCKS[block], _RESNET.get(rest, rest)]))


def checkpoint_shapes(path: Path) -> dict[str, Shape]:
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return {name: tuple(one["shape"]) for name, one in header.items() if name != "__metadata__"}


def checkpoint_modules(path: Path) -> dict[str, tuple[str, Shape]]:
    """Trainers' name of every module -> its parameter in the checkpoint and its shape."""
    shapes = checkpoint_shapes(path)
    xl = any(name.startswith("conditioner.") for name in shapes)
    return {target: (key, shape) for key, whole in shapes.items()
            for target, shape in _targets(key, whole, xl)}


def _targets(key: str, shape: Shape, xl: bool) -> Iterator[tuple[str, Shape]]:
    module, dot, last = key.rpartition(".")
    if key.startswith(UNET) and last == "weight":
        name = module.removeprefix(UNET).replace(".", "_")
        yield "lora_unet_" + (name if xl else _in_diffusers_names(name)), shape
    for prefix, start in _TEXT_1.items():
        if key.startswith(prefix) and last == "weight" and "embedding" not in key:
            yield start + module.removeprefix(prefix).replace(".", "_"), shape
    for prefix, start in _OPEN_CLIP.items():
        if key.startswith(prefix):
            number, _, rest = key.removeprefix(prefix).partition(".")
            layer = f"{start}text_model_encoder_layers_{number}_"
            if rest == "attn.in_proj_weight":
                for letter in "qkv":
                    yield f"{layer}self_attn_{letter}_proj", (shape[0] // 3, *shape[1:])
            elif dot and last == "weight" and rest.removesuffix(".weight") in _OPEN_CLIP_PARTS:
                yield layer + _OPEN_CLIP_PARTS[rest.removesuffix(".weight")], shape


USUAL = (r"lora_te\d?_.*(_proj|_fc[12])$"
         r"|lora_unet_.*(attentions_\d|_blocks?_\d+_1|middle_block_1)"
         r".*(to_[qkv]|to_out_0|ff_net.*|proj_in|proj_out)$")
"""What a LoRA of kohya's trainer covers: 192 modules of SD 1.5's UNet and 72 of its encoder."""
CONVOLUTIONS = r"lora_unet_.*(conv[12]|conv_shortcut|in_layers_2|out_layers_3|skip_connection)$"
NORMS = r"lora_unet_.*(norm[123]?|in_layers_0|out_layers_0|norm)$|lora_te.*layer_norm[12]$"

_SUFFIXES = {"up": "lora_up.weight", "down": "lora_down.weight", "mid": "lora_mid.weight",
             "ia3_weight": "weight"}
Build = Callable[[Maker, Shape], Parts]


@dataclass(frozen=True)
class Kind:
    """How a network of one type is made: for which modules, and the tensors of one module."""

    modules: str
    build: Build
    std: float = 0.02


def _lora(new: Maker, shape: Shape) -> Parts:
    return lora_parts(new, shape[0], shape[1], 4, shape[2:])


def _tucker(new: Maker, shape: Shape) -> Parts:
    tall = len(shape) > 2 and shape[2] > 1
    return tucker_parts(new, shape[0], shape[1], 4, shape[2:]) if tall else _lora(new, shape)


def _loha(new: Maker, shape: Shape) -> Parts:
    return loha_parts(new, shape[0], math.prod(shape[1:]), 4, *shape)


def _lokr(new: Maker, shape: Shape) -> Parts:
    a, c = 4, 4
    return lokr_parts(new, (a, c), (shape[0] // a, shape[1] // c), 0, 2, shape[2:])


def _full(new: Maker, shape: Shape) -> Parts:
    return {"diff": new(*shape, std=new.std), "diff_b": new(shape[0], std=new.std)}


def _norm(new: Maker, shape: Shape) -> Parts:
    return {"w_norm": new(*shape, std=new.std), "b_norm": new(*shape, std=new.std)}


def _dora(new: Maker, shape: Shape) -> Parts:
    weight = torch.randn(shape, generator=new.random) * 0.1
    return with_magnitude(_lora(new, shape), "dora_scale", weight, 1, new)


def _ia3(new: Maker, shape: Shape) -> Parts:
    return {"ia3_weight": new(shape[0], std=0.2), "on_input": torch.tensor(False)}


KINDS: Mapping[str, Kind] = {
    "lora": Kind(USUAL, _lora),
    "locon": Kind(f"{USUAL}|{CONVOLUTIONS}", _lora),
    "locon-tucker": Kind(CONVOLUTIONS, _tucker),
    "loha": Kind(f"{USUAL}|{CONVOLUTIONS}", _loha),
    "lokr": Kind(USUAL, _lokr),
    "full": Kind(f"{USUAL}|{CONVOLUTIONS}", _full),
    "norm": Kind(NORMS, _norm, std=0.1),
    "dora": Kind(USUAL, _dora),
    "ia3": Kind(r"lora_unet_.*(to_k|to_v|ff_net_2)$", _ia3),
}


def network_tensors(
    checkpoint: Path, kind: str = "lora", *, seed: int = 0, only: str = "", std: float = 0.0,
    rank: int = 0,
) -> Parts:
    """The tensors of a random network; `only` further narrows the modules by a pattern."""
    made = KINDS[kind]
    new = Maker(seed, std or made.std, torch.float32)
    build: Build = made.build
    if rank:
        def build(new: Maker, shape: Shape) -> Parts:
            return lora_parts(new, shape[0], shape[1], rank, shape[2:])
    found: Parts = {}
    known = checkpoint_shapes(checkpoint)
    for name, (key, shape) in checkpoint_modules(checkpoint).items():
        if re.match(made.modules, name) and re.search(only, name):
            bias = f"{key.removesuffix('weight')}bias" in known
            for role, tensor in build(new, shape).items():
                if role == "diff_b" and not bias:
                    continue
                found[f"{name}.{_SUFFIXES.get(role, role)}"] = tensor.contiguous()
    if not found:
        raise ValueError(f"no module of {checkpoint.name} for {kind} {only}")
    return found


def write_network(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None,
    dtype: torch.dtype | None = None,
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {name: tensor.to(dtype) if dtype and tensor.is_floating_point() else tensor
            for name, tensor in tensors.items()}
    save_file(kept, path, {"ss_network_module": "networks.lora", **(metadata or {})})
    return path


def modules_of(tensors: Mapping[str, Tensor]) -> int:
    return len({name.partition(".")[0] for name in tensors})
