"""Two hundred switches among a dozen networks, as a process of its own: is it as large afterwards?

`python -c "from tests.switching import main; main()" FOLDER` ends with 0 where everything held.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import torch
from loradex.keys.architecture import Architecture, Builder
from loradex.manager import LoraManager
from loradex.networks.model import BoundComponent, BoundModel
from loradex.prompts.tags import LoraTag
from safetensors.torch import save_file
from torch import nn

from tests.networks.enginekit import assert_same_bits, lora_parts, snapshot

LAYERS, WIDTH, RANK = 8, 256, 64
NETWORKS, SWITCHES = 12, 200
BUDGET = 5 << 20
"""About three networks: each is half a MB in its file and one of factors."""
FLAT = 3 << 20
"""A broken file that stays with its error is 1 MB at every tenth switch; a network, 1.5 at each."""
SUFFIXES = {"up": "lora_up.weight", "down": "lora_down.weight", "alpha": "alpha"}


def wide_model() -> BoundModel:
    torch.manual_seed(0)
    root, table = nn.Module(), Builder()
    for index in range(LAYERS):
        root.add_module(f"layer{index}", nn.Linear(WIDTH, WIDTH))
        table.linear(f"layer{index}", f"layer{index}", WIDTH, WIDTH)
    architecture = Architecture("wide", "denoiser", tuple(table.leaves))
    return BoundModel({"unet": BoundComponent("unet", root, architecture, "native")}, "the model")


def write_networks(folder: Path) -> list[str]:
    for number in range(NETWORKS):
        save_file({
            f"lora_unet_layer{index}.{SUFFIXES[role]}": tensor.half()
            for index in range(LAYERS)
            for role, tensor in lora_parts((WIDTH, WIDTH), RANK, number * LAYERS + index).items()
        }, folder / f"n{number}.safetensors")
    cut = (folder / "n0.safetensors").read_bytes()
    (folder / "cut.safetensors").write_bytes(cut[:-1000])
    save_file({
        f"lora_unet_layer{index}.{SUFFIXES[role]}": tensor * torch.nan
        for index in range(LAYERS) for role, tensor in lora_parts((WIDTH, WIDTH), RANK).items()
    }, folder / "nan.safetensors")
    return [f"n{number}" for number in range(NETWORKS)]


def resident() -> int:
    """Bytes of memory that the process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def switch(manager: LoraManager, names: list[str], number: int) -> None:
    """One run of one to three networks, every tenth with files that cannot be loaded."""
    chosen = random.Random(number).sample(names, 1 + number % 3)
    broken = ["cut", "nan"] if number % 10 == 5 else []
    report = manager.use([LoraTag(name) for name in (*chosen, *broken)])
    assert [row.name for row in report.applied if row.skipped] == broken
    memory = manager.memory()
    assert memory.used == len(chosen)
    assert memory.network_bytes <= max(BUDGET, memory.used_bytes), memory
    assert memory.live_bytes + memory.spare_bytes <= LAYERS * WIDTH * WIDTH * 4, memory


def main() -> None:
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    names, model = write_networks(folder), wide_model()
    before = snapshot(model)
    manager = LoraManager([folder], cache_bytes=BUDGET)
    manager.bind(model)
    sizes = []
    for number in range(SWITCHES):
        switch(manager, names, number)
        sizes.append(resident())
    manager.restore()
    assert_same_bits(snapshot(model), before)
    half = SWITCHES // 2
    grown = max(sizes[half:]) - max(sizes[:half])
    print(f"{sizes[half - 1] >> 10} kB after {half} switches, {sizes[-1] >> 10} kB after "
          f"{SWITCHES}; the largest grew by {grown >> 10} kB")
    assert grown < FLAT
