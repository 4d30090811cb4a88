"""A library of LoRA files for the catalog's benchmark: real headers, sparse data, real sizes."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from loradex.compat.families import family
from loradex.keys.targets import Kind

_RANKS = (4, 8, 16, 32, 64, 128)
_MIX = (("sdxl", 55), ("sd1", 30), ("flux1", 15))
"""Shares in percent: what libraries of today hold, roughly."""
_TAGS = 200
"""Different tags in a training set; they make up most of the metadata."""


@dataclass(frozen=True)
class Layer:
    """One trained module: its key, and the extents of its weight."""

    key: str
    out: int
    inp: int


@cache
def layers(family_id: str) -> tuple[Layer, ...]:
    """The modules that kohya's scripts train for a family, in their flat names."""
    prefixes = {"denoiser": "lora_unet_", "te": "lora_te1_", "te2": "lora_te2_"}
    if family_id == "sd1":
        prefixes["te"] = "lora_te_"
    found = []
    for component, architecture in family(family_id).architectures().items():
        prefix = prefixes.get(component)
        if prefix is None:
            continue
        native = component == "denoiser" and family_id != "sd1"  # as sd-scripts names them
        for name, module in architecture.modules("native" if native else "diffusers").items():
            if module.kind in (Kind.LINEAR, Kind.CONV) and _is_trained(name):
                flat = name.replace(".", "_")
                found.append(Layer(prefix + flat, *module.weight[:2]))
    return tuple(found)


def _is_trained(name: str) -> bool:
    """Attention and feed-forward layers, which is what trainers touch by default."""
    parts = ("attn", "attention", "ff.", "mlp", "linear1", "linear2", "proj_in", "proj_out")
    return any(part in name for part in parts) and "embed" not in name


def tensors(family_id: str, rank: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The tensors of one network in the order in which safetensors sorts them."""
    for layer in sorted(layers(family_id), key=lambda one: one.key):
        yield f"{layer.key}.alpha", ()
        yield f"{layer.key}.lora_down.weight", (rank, layer.inp)
        yield f"{layer.key}.lora_up.weight", (layer.out, rank)


@cache
def entries(family_id: str, rank: int) -> tuple[str, int]:
    """The header's JSON without the metadata and without the opening brace, and the data's size."""
    parts, offset = [], 0
    for name, shape in tensors(family_id, rank):
        size = 2
        for extent in shape:
            size *= extent
        entry = {"dtype": "F16", "shape": list(shape), "data_offsets": [offset, offset + size]}
        parts.append(f"{json.dumps(name)}:{json.dumps(entry, separators=(',', ':'))}")
        offset += size
    return ",".join(parts) + "}", offset


def metadata(index: int, family_id: str, rank: int, chance: random.Random) -> Mapping[str, str]:
    """What kohya's scripts write, with a tag table of about 8 KB."""
    base = {"sd1": "sd_v1", "sdxl": "sdxl_base_v1-0", "flux1": "flux1"}[family_id]
    pictures = chance.randrange(15, 120)
    folder = f"10_subject{index}"
    tags = {f"subject{index}": pictures}  # counts fall with the rank, as words' counts do
    for place in range(2, _TAGS):
        tags[f"tag {chance.randrange(5000)} of a picture"] = max(1, pictures // place)
    return {
        "ss_base_model_version": base, "ss_network_dim": str(rank), "ss_network_alpha": str(rank),
        "ss_network_module": "networks.lora", "ss_output_name": f"network {index}",
        "ss_session_id": str(chance.randrange(1 << 30)), "ss_epoch": "10", "ss_steps": "2000",
        "ss_tag_frequency": json.dumps({folder: tags}),
        "ss_dataset_dirs": json.dumps({folder: {"n_repeats": 10, "img_count": pictures}}),
        "modelspec.title": f"Network {index}",
    }


def write_network(path: Path, index: int, chance: random.Random) -> int:
    """Write one file, its data as a hole; returns its size in bytes."""
    family_id = chance.choices([name for name, _ in _MIX], [share for _, share in _MIX])[0]
    rank = chance.choice(_RANKS)
    rest, data_bytes = entries(family_id, rank)
    head = json.dumps(metadata(index, family_id, rank, chance), separators=(",", ":"))
    raw = f'{{"__metadata__":{head},{rest}'.encode()
    raw += b" " * (-len(raw) % 8)
    with path.open("wb") as file:
        file.write(len(raw).to_bytes(8, "little") + raw)
        file.truncate(8 + len(raw) + data_bytes)
    return 8 + len(raw) + data_bytes


def write_library(root: Path, count: int, seed: int = 1) -> int:
    """`count` files in folders of 100; returns their size in bytes, of which few are on disk."""
    chance = random.Random(seed)
    total = 0
    for index in range(count):
        folder = root / f"folder {index // 100:03}"
        folder.mkdir(parents=True, exist_ok=True)
        total += write_network(folder / f"network {index:05}.safetensors", index, chance)
    return total
