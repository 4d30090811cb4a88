"""How fast networks go on and off on a GPU, beside the floor and the peers' orders of operations.

`python -m benchmarks.gpu [--models sd15,sdxl] [--dtypes float16,bfloat16] [--repeat N]
[--json PATH]` needs CUDA, torch and safetensors; diffusers is not needed. The weights are random.
`--device cpu --models tiny` tries the script itself on a machine without a GPU.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from loradex.catalog.network_file import NetworkFile
from loradex.keys.architecture import Architecture
from loradex.keys.unet import unet_architecture
from loradex.networks.model import BoundComponent, BoundModel
from loradex.networks.network import load_network
from loradex.networks.patcher import Patcher, StackEntry
from safetensors.torch import save_file
from torch import Tensor, nn

RANK = 32
CHUNK_BYTES = 32 << 20
"""Copied and read again while it is still in the L2 cache (50 MB on an H100, 60 on an H200)."""
_UNET = ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D")
CONFIGS: dict[str, dict[str, Any]] = {
    "tiny": {"block_out_channels": (32, 64, 64, 64), "cross_attention_dim": 48},
    "sd15": {"block_out_channels": (320, 640, 1280, 1280), "cross_attention_dim": 768},
    "sdxl": {
        "block_out_channels": (320, 640, 1280), "cross_attention_dim": 2048,
        "attention_head_dim": (5, 10, 20), "transformer_layers_per_block": (1, 2, 10),
        "use_linear_projection": True, "down_block_types": _UNET,
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
}
Job = tuple[Tensor, Tensor, Tensor, Tensor]
Rows = dict[str, list[float]]


def attention_shapes(table: Architecture) -> dict[str, tuple[int, ...]]:
    """What kohya's trainer targets without its conv option."""
    return {
        name: found.weight for name, found in table.modules("diffusers").items()
        if ".attentions." in name and found.kind.value in ("linear", "conv")
    }


def build(table: Architecture, dtype: torch.dtype, device: str) -> BoundModel:
    """The targeted modules alone, under their own names; nothing else is ever touched."""
    root = nn.Module()
    for name, shape in attention_shapes(table).items():
        here, (*path, last) = root, name.split(".")
        for part in path:
            if part not in here._modules:
                here.add_module(part, nn.Module())
            here = here.get_submodule(part)
        made = nn.Conv2d(shape[1], shape[0], shape[2:], bias=False, device="meta", dtype=dtype) \
            if len(shape) > 2 else nn.Linear(shape[1], shape[0], False, "meta", dtype)
        here.add_module(last, made)
    root.to_empty(device=device).requires_grad_(False)
    for parameter in root.parameters():
        parameter.normal_(0.0, 0.03)
    return BoundModel({"unet": BoundComponent("unet", root, table, "diffusers")})


def write_network(folder: Path, table: Architecture, seed: int) -> NetworkFile:
    """A kohya file in fp16, as trainers save it."""
    random, tensors = torch.Generator().manual_seed(seed), dict[str, Tensor]()
    for name, shape in attention_shapes(table).items():
        flat, ones = f"lora_unet_{name.replace('.', '_')}", (1,) * len(shape[2:])
        up, down = (shape[0], RANK, *ones), (RANK, *shape[1:])
        tensors[f"{flat}.lora_up.weight"] = (torch.randn(up, generator=random) * 0.02).half()
        tensors[f"{flat}.lora_down.weight"] = (torch.randn(down, generator=random) * 0.02).half()
        tensors[f"{flat}.alpha"] = torch.tensor(float(RANK)).half()
    path = folder / f"n{seed}.safetensors"
    save_file(tensors, path)
    stat = path.stat()
    return NetworkFile(path.name, path.stem, path, folder, stat.st_size, stat.st_mtime_ns)


def synchronize(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def take(rows: Rows, name: str, action: Callable[[], object], device: str) -> None:
    """Wall time between two synchronisations: what a user waits for, launches included."""
    synchronize(device)
    begun = time.perf_counter()
    action()
    synchronize(device)
    rows.setdefault(name, []).append(time.perf_counter() - begun)


def ceilings(device: str, dtype: torch.dtype) -> dict[str, float]:
    """Bytes per second of a large copy, read and written, and FLOP/s of a large product."""
    size = (1 << 30) if device == "cuda" else (1 << 24)
    side = 8192 if device == "cuda" else 256
    source, target = (torch.empty(size, dtype=torch.uint8, device=device).random_() for _ in "ab")
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    rows: Rows = {}
    for _ in range(8):
        take(rows, "copy", lambda: target.copy_(source), device)
        take(rows, "product", lambda: left @ right, device)
    return {
        "bytes_per_second": 2 * size / statistics.median(rows["copy"][3:]),
        "flop_per_second": 2 * side**3 / statistics.median(rows["product"][3:]),
    }


def rounding(device: str, dtype: torch.dtype) -> dict[str, float]:
    """The share of elements that 16-bit addmm rounds as fp64 rounded once does, by the switch."""
    side = 1280 if device == "cuda" else 128
    base = (torch.randn(side, side, device=device) * 0.03).to(dtype)
    up, down = ((torch.randn(s, device=device) * 0.02).to(dtype)
                for s in ((side, RANK), (RANK, side)))
    exact = (base.double() + up.double() @ down.double()).to(dtype)
    short = "fp16" if dtype == torch.float16 else "bf16"
    option = f"allow_{short}_reduced_precision_reduction"
    before, found = getattr(torch.backends.cuda.matmul, option), {}
    for allowed in (False, True):
        setattr(torch.backends.cuda.matmul, option, allowed)
        equal = torch.addmm(base, up, down) == exact
        found[f"addmm, reduced {'on' if allowed else 'off'}"] = equal.double().mean().item()
    setattr(torch.backends.cuda.matmul, option, before)
    wide = torch.addmm(base.float(), up.float(), down.float()).to(dtype)
    found["fp32 scratch, then rounded"] = (wide == exact).double().mean().item()
    return found


def make_jobs(bound: BoundModel) -> list[Job]:
    """base, up, down, live in the weight's dtype, each with storage of its own."""
    jobs: list[Job] = []
    for parameter in bound.components["unet"].root.parameters():
        base = parameter.data.flatten(1)
        up, down = base.new_empty(base.shape[0], RANK), base.new_empty(RANK, base.shape[1])
        jobs.append((base, up.normal_(0, 0.02), down.normal_(0, 0.02), torch.empty_like(base)))
    return jobs


def group_copy_addmm(jobs: Sequence[Job]) -> None:
    """All copies first: no module is still in the cache, so this must move four passes."""
    for base, _, _, live in jobs:
        live.copy_(base)
    for _, up, down, live in jobs:
        live.addmm_(up, down)


def chunks(jobs: Sequence[Job]) -> Iterator[tuple[Tensor, ...]]:
    """Modules of one shape, packed beforehand into stacks of at most CHUNK_BYTES."""
    groups: dict[torch.Size, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job[0].shape, []).append(job)
    for group in groups.values():
        one = group[0][0].numel() * group[0][0].element_size()
        count = max(1, CHUNK_BYTES // one)
        for start in range(0, len(group), count):
            yield tuple(torch.stack(part) for part in zip(*group[start:start + count], strict=True))


def like_a1111(jobs: Sequence[Job], backup: Sequence[Tensor], factors: Sequence[Any]) -> None:
    """Its order of operations: the base from the CPU, factors with .to() each, then the sum."""
    for (_, _, _, live), kept, (up, down) in zip(jobs, backup, factors, strict=True):
        live.copy_(kept)
        live += up.to(live.device, live.dtype) @ down.to(live.device, live.dtype)


def like_forge(jobs: Sequence[Job]) -> None:
    """Its order of operations: fp32 weight, fp32 factors, fp32 delta and sum, then the cast."""
    for base, up, down, live in jobs:
        weight = base.to(torch.float32)
        weight += torch.mm(up.float(), down.float())
        live.copy_(weight.to(live.dtype))


def measure_loops(bound: BoundModel, rows: Rows, repeat: int, device: str) -> None:
    jobs = make_jobs(bound)
    packed = list(chunks(jobs))
    backup = [base.cpu() for base, *_ in jobs]
    factors = [(up.cpu(), down.cpu()) for _, up, down, _ in jobs]
    actions: dict[str, Callable[[], object]] = {
        "floor: copy per module": lambda: [x.copy_(b) for b, _, _, x in jobs],
        "addmm, out= per module": lambda: [
            torch.addmm(b, u, d, out=x) for b, u, d, x in jobs],
        "copy_ + addmm_ per module": lambda: [
            x.copy_(b).addmm_(u, d) for b, u, d, x in jobs],
        "all copy_, then all addmm_": lambda: group_copy_addmm(jobs),
        "packed baddbmm, 32 MB": lambda: [
            torch.baddbmm(b, u, d, out=x) for b, u, d, x in packed],
        "like A1111": lambda: like_a1111(jobs, backup, factors),
        "like Forge": lambda: like_forge(jobs),
    }
    for action in actions.values():  # the first call chooses kernels
        action()
    for _ in range(repeat):
        for name, action in actions.items():
            take(rows, name, action, device)


def measure_engine(
    bound: BoundModel, files: Sequence[NetworkFile], rows: Rows, repeat: int, device: str
) -> int:
    """The real engine; returns how many weights a switch rebuilt, so that none is left out."""
    patcher, networks = Patcher(bound), []
    for file in files:
        take(rows, "engine: read and parse",
             lambda f=file: networks.append(load_network(f)), device)

    def put(index: int, strength: float = 1.0) -> None:
        patcher.apply([StackEntry(networks[index], strength, strength)], strict=True)

    take(rows, "engine: first use", lambda: put(0), device)
    take(rows, "engine: first switch", lambda: put(1), device)
    rebuilt = patcher.work.slots_rebuilt
    for _ in range(repeat):
        take(rows, "engine: switch", lambda: put(0), device)
        take(rows, "engine: strength change", lambda: put(0, 0.5), device)
        take(rows, "engine: same again", lambda: put(0, 0.5), device)
        take(rows, "engine: remove", patcher.restore, device)
        take(rows, "engine: toggle on", lambda: put(1), device)
    rows["engine: launches per switch"] = [float(launches(lambda: put(0), device))]
    patcher.restore()
    return rebuilt


def launches(action: Callable[[], object], device: str) -> int:
    """Kernels and copies on the GPU that one call causes; 0 on a CPU."""
    if device != "cuda":
        return 0
    kinds = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=kinds) as profile:
        action()
        torch.cuda.synchronize()
    return sum(event.device_type == torch.autograd.DeviceType.CUDA for event in profile.events())


def measure(name: str, dtype: torch.dtype, device: str, repeat: int) -> dict[str, Any]:
    table, rows = unet_architecture(CONFIGS[name]), {}
    bound = build(table, dtype, device)
    parameters = list(bound.components["unet"].root.parameters())
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        files = [write_network(Path(folder), table, seed) for seed in (1, 2)]
        found: dict[str, Any] = {"ceilings": ceilings(device, dtype)}
        found["rounded as fp64 once"] = rounding(device, dtype)
        found["rebuilt"] = measure_engine(bound, files, rows, repeat, device)
        measure_loops(bound, rows, repeat, device)
    floor = 2 * sum(p.numel() * p.element_size() for p in parameters)
    found.update(model=name, dtype=str(dtype), modules=len(parameters), floor_bytes=floor, all=rows)
    return found | {"median": {key: statistics.median(value) for key, value in rows.items()}}


def show(found: dict[str, Any]) -> str:
    rate = found["ceilings"]["bytes_per_second"]
    floor = found["floor_bytes"] / rate
    flops = found["ceilings"]["flop_per_second"]
    lines = [f"\n{found['model']}, {found['dtype']}: {found['modules']} modules, "
             f"{found['rebuilt']} rebuilt; copy {rate / 1e9:.0f} GB/s, "
             f"product {flops / 1e12:.2f} TFLOP/s; floor {floor * 1e3:.3f} ms"]
    for name, value in found["median"].items():
        lines.append(f"{name:<34}{value:10.0f}" if "launches" in name
                     else f"{name:<34}{value * 1e3:10.3f} ms {value / floor:9.2f} x floor")
    lines += [f"{k:<34}{v:12.5%} equal" for k, v in found["rounded as fp64 once"].items()]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="sd15,sdxl", help=f"of {', '.join(CONFIGS)}")
    parser.add_argument("--dtypes", default="float16,bfloat16")
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--json", type=Path, help="write all numbers there as well")
    given = parser.parse_args()
    if given.device == "cuda" and not torch.cuda.is_available():
        sys.exit("benchmarks.gpu needs CUDA, and torch finds none here. To try the script itself: "
                 "python -m benchmarks.gpu --device cpu --models tiny")
    card = torch.cuda.get_device_name() if given.device == "cuda" else "CPU"
    print(f"{card}, torch {torch.__version__}, rank {RANK}")
    results: list[dict[str, Any]] = []
    for name in given.models.split(","):
        for dtype in given.dtypes.split(","):
            results.append(measure(name, getattr(torch, dtype), given.device, given.repeat))
            print(show(results[-1]))
            if given.json:  # after each, so that a run that is cut off leaves what it had
                given.json.write_text(json.dumps({"card": card, "results": results}, indent=2))


if __name__ == "__main__":
    main()
