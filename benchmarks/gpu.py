"""How fast networks go on and off on a GPU, beside the floor and the peers' orders of operations.

`python -m benchmarks.gpu [--models sd15,sdxl,flux] [--dtypes float16,bfloat16] [--repeat N]
[--json PATH]` needs CUDA, torch and safetensors; diffusers and PEFT are measured where they are.
The weights are random; Flux takes 120 GB on the card. `--device cpu --models tiny,tiny-flux`
tries the script itself on a machine without a GPU.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from loradex.catalog.network_file import NetworkFile
from loradex.networks.model import BoundModel
from loradex.networks.network import Network, load_network
from loradex.networks.patcher import Patcher, StackEntry

from benchmarks.gpu_loops import measure_loops
from benchmarks.gpu_models import CONFIGS, RANK, Bare
from benchmarks.gpu_peers import measure_peers
from benchmarks.gpu_times import Rows, take


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


def measure_engine(
    bound: BoundModel, files: Sequence[NetworkFile], rows: Rows, repeat: int, device: str,
    name: str = "engine",
) -> int:
    """The real engine; returns how many weights a switch rebuilt, so that none is left out."""
    patcher, networks = Patcher(bound), []
    for file in files[:2]:
        take(rows, f"{name}: read and parse",
             lambda f=file: networks.append(load_network(f)), device)

    def put(network: Network, strength: float = 1.0) -> None:
        patcher.apply([StackEntry(network, strength, strength)], strict=True)

    first, second = networks
    take(rows, f"{name}: first use", lambda: put(first), device)
    take(rows, f"{name}: first switch", lambda: put(second), device)
    rebuilt = patcher.work.slots_rebuilt
    for _ in range(repeat):
        take(rows, f"{name}: switch", lambda: put(first), device)
        take(rows, f"{name}: strength change", lambda: put(first, 0.5), device)
        take(rows, f"{name}: same again", lambda: put(first, 0.5), device)
        take(rows, f"{name}: remove", patcher.restore, device)
        take(rows, f"{name}: toggle on", lambda: put(second), device)
        take(rows, f"{name}: cold adapter out of the page cache",
             lambda: put(load_network(files[2])), device)
    rows[f"{name}: launches per switch"] = [float(launches(lambda: put(first), device))]
    patcher.restore()
    patcher.release_spare()
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
    bare, rows = Bare(name), {}
    root = bare.root(dtype, device)
    sizes = [one.numel() * one.element_size() for one in root.parameters()]
    found: dict[str, Any] = {"ceilings": ceilings(device, dtype)}
    found["rounded as fp64 once"] = rounding(device, dtype)
    other = torch.bfloat16 if dtype == torch.float16 else torch.float16
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        for kind, title in ((dtype, "engine"), (other, "engine, file of the other type")):
            files = [bare.write(Path(folder), seed, kind) for seed in (1, 2, 3)]
            found["rebuilt"] = measure_engine(
                bare.bound(root), files, rows, repeat, device, title)
        measure_loops(root, rows, repeat, device)
        del root
        found["left out"] = measure_peers(bare, dtype, rows, repeat, device)
    found.update(model=name, dtype=str(dtype), modules=len(sizes), floor_bytes=2 * sum(sizes),
                 all=rows)
    return found | {"median": {key: statistics.median(value) for key, value in rows.items()}}


def show(found: dict[str, Any]) -> str:
    rate = found["ceilings"]["bytes_per_second"]
    floor = found["floor_bytes"] / rate
    flops = found["ceilings"]["flop_per_second"]
    lines = [f"\n{found['model']}, {found['dtype']}: {found['modules']} modules, "
             f"{found['rebuilt']} rebuilt; copy {rate / 1e9:.0f} GB/s, "
             f"product {flops / 1e12:.2f} TFLOP/s; floor {floor * 1e3:.3f} ms"]
    for name, value in found["median"].items():
        lines.append(f"{name:<52}{value:10.0f}" if "launches" in name
                     else f"{name:<52}{value * 1e3:10.3f} ms {value / floor:9.2f} x floor")
    lines += [found["left out"]] if found["left out"] else []
    lines += [f"{k:<52}{v:12.5%} equal" for k, v in found["rounded as fp64 once"].items()]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="sd15,sdxl,flux", help=f"of {', '.join(CONFIGS)}")
    parser.add_argument("--dtypes", default="float16,bfloat16")
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--json", type=Path, help="write all numbers there as well")
    given = parser.parse_args()
    if given.device == "cuda" and not torch.cuda.is_available():
        sys.exit("benchmarks.gpu needs CUDA, and torch finds none here. To try the script itself: "
                 "python -m benchmarks.gpu --device cpu --models tiny,tiny-flux")
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
