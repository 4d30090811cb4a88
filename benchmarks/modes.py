"""What the engine's modes cost on a full SD 1.5 UNet: bf16, five networks, schedules, fp8, batches.

`python -m benchmarks.modes [--repeat N] [--threads N] [--no-forward] [--json PATH]`
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from diffusers.hooks import apply_layerwise_casting
from loradex.catalog.disk.scan import scan_networks
from loradex.networks.model import bind_diffusers
from loradex.networks.network import Network, load_network
from loradex.networks.patcher import Patcher, StackEntry

from benchmarks import sd15
from benchmarks.engine import Ours, Times, duration, one_addmm_each

NETWORKS = 5
STEPS = 20
IMAGES = 4


def merged(
    times: Times, name: str, kind: torch.dtype, networks: Sequence[Network], repeat: int
) -> None:
    """A switch, five networks and a schedule, beside one product per module in the same type."""
    ours = Ours(_cast(sd15.random_unet(), kind), [])
    ours.networks = list(networks)
    patcher = ours.patcher
    ours.apply(0)
    ours.apply(1)
    jobs = [(base, up.to(kind), down.to(kind), live) for base, up, down, live in ours._jobs()]
    many = [(base, torch.cat([up] * NETWORKS, 1), torch.cat([down] * NETWORKS), live)
            for base, up, down, live in jobs]
    for _ in range(repeat):
        ours.apply(0)
        times.take(f"{name}: switch", lambda: ours.apply(1))
        times.take(f"{name}: floor, one addmm per module", lambda: one_addmm_each(jobs))
        for mixed in (0.0, 0.05):
            what = "of other strengths" if mixed else "of one strength"
            stacks = [[StackEntry(one, 1.0, strength + mixed * at)
                       for at, one in enumerate(networks)] for strength in (0.9, 0.5)]
            patcher.apply(stacks[0])
            times.take(f"{name}: switch of {NETWORKS} networks {what}",
                       lambda stacks=stacks: patcher.apply(stacks[1]))
        times.take(f"{name}: floor, one addmm of {NETWORKS} ranks per module",
                   lambda: one_addmm_each(many))
        ours.apply(0)
        times.take(f"{name}: schedule over {STEPS} steps", lambda: _schedule(ours))
    patcher.restore()


def _cast(unet: torch.nn.Module, kind: torch.dtype) -> torch.nn.Module:
    """The UNet in this type; diffusers' own `to` warns of it."""
    return torch.nn.Module.to(unet, kind)


def _schedule(ours: Ours) -> None:
    for step in range(STEPS):
        ours.apply(0, 1.0 - step / STEPS)


def beside(times: Times, networks: Sequence[Network], repeat: int, *, forward: bool) -> None:
    """fp8 storage: what a switch and a step cost with networks beside the layers."""
    unet = sd15.random_unet()
    apply_layerwise_casting(unet, torch.float8_e4m3fn, torch.float32)
    patcher = Patcher(bind_diffusers(unet))
    for _ in range(repeat):
        if forward:
            patcher.restore()
            times.take("fp8: step without networks", lambda: _step(unet, 1))
        for count in (1, len(networks)):
            stack = [StackEntry(one, 1.0, 0.7) for one in networks[:count]]
            times.take(f"fp8: switch, {count} networks", lambda stack=stack: patcher.apply(stack))
            if forward:
                times.take(f"fp8: first step, {count} networks", lambda: _step(unet, 1))
                times.take(f"fp8: step, {count} networks", lambda: _step(unet, 1))
    patcher.restore()


def batched(times: Times, networks: Sequence[Network], repeat: int) -> None:
    """A step of one batch whose images have other networks, beside one step for each of them."""
    unet = sd15.random_unet()
    patcher = Patcher(bind_diffusers(unet))
    stacks = [[StackEntry(networks[i], 1.0, 0.7)] for i in range(IMAGES)]

    def one_by_one() -> None:
        for stack in stacks:
            patcher.apply(stack)
            _step(unet, 1)

    one_by_one()
    for _ in range(repeat):
        times.take(f"batch: step of {IMAGES} images, one after another", one_by_one)
        patcher.apply_each(stacks)
        _step(unet, IMAGES)
        times.take(f"batch: step of {IMAGES} images at once", lambda: _step(unet, IMAGES))
        patcher.restore()
        times.take(f"batch: step of {IMAGES} images without networks",
                   lambda: _step(unet, IMAGES))


def _step(unet: torch.nn.Module, images: int) -> None:
    """One call of the denoiser, for pictures of 256 x 256."""
    with torch.no_grad():
        unet(torch.zeros(images, 4, 32, 32), 500,
             encoder_hidden_states=torch.zeros(images, 77, unet.config.cross_attention_dim))


def run(repeat: int, *, forward: bool) -> dict[str, object]:
    times = Times()
    with tempfile.TemporaryDirectory() as folder:
        networks = _networks(Path(folder) / "fp16", torch.float16)
        narrow = _networks(Path(folder) / "bf16", torch.bfloat16)
        for name, (kind, files) in _kinds(networks, narrow).items():
            merged(times, name, kind, files, repeat)
        beside(times, networks, repeat, forward=forward)
        if forward:
            batched(times, networks, repeat)
    return {
        "torch": torch.__version__, "threads": torch.get_num_threads(),
        "median_seconds": {name: times.median(name) for name in times.seconds},
        "all_seconds": times.seconds, "ratios": ratios(times.median, forward=forward),
    }


def _networks(folder: Path, kind: torch.dtype) -> list[Network]:
    """Networks whose files hold this type."""
    folder.mkdir()
    unet = sd15.random_unet()
    for seed in range(NETWORKS):
        sd15.write_kohya(folder / f"n{seed}.safetensors", unet, seed, kind)
    return [load_network(file) for file in scan_networks([folder])]


def _kinds(
    fp16: Sequence[Network], bf16: Sequence[Network]
) -> dict[str, tuple[torch.dtype, Sequence[Network]]]:
    return {
        "fp16 files on fp32": (torch.float32, fp16),
        "bf16 files on bf16": (torch.bfloat16, bf16),
        "fp16 files on bf16": (torch.bfloat16, fp16),
    }


def ratios(median: Callable[[str], float], *, forward: bool) -> dict[str, float]:
    found: dict[str, float] = {}
    for kind in _kinds((), ()):
        switch = median(f"{kind}: switch")
        found[f"{kind}: switch / floor"] = switch / median(f"{kind}: floor, one addmm per module")
        floor = median(f"{kind}: floor, one addmm of {NETWORKS} ranks per module")
        for what in ("of one strength", "of other strengths"):
            many = median(f"{kind}: switch of {NETWORKS} networks {what}")
            found[f"{kind}: {NETWORKS} {what} / one"] = many / switch
            found[f"{kind}: {NETWORKS} {what} / floor"] = many / floor
        found[f"{kind}: schedule / {STEPS} switches"] = (
            median(f"{kind}: schedule over {STEPS} steps") / (STEPS * switch))
    if forward:
        plain = median("fp8: step without networks")
        for count in (1, NETWORKS):
            found[f"fp8: step with {count} networks / without"] = (
                median(f"fp8: step, {count} networks") / plain)
        together = median(f"batch: step of {IMAGES} images at once")
        found["batch: at once / without networks"] = (
            together / median(f"batch: step of {IMAGES} images without networks"))
        found["batch: one after another / at once"] = (
            median(f"batch: step of {IMAGES} images, one after another") / together)
    return found


def show(found: dict[str, object]) -> str:
    """The table that people read."""
    lines = [f"SD 1.5 UNet, rank {sd15.RANK}, {found['threads']} CPU threads, "
             f"torch {found['torch']}", ""]
    lines += [f"{name:<68}{duration(seconds)}   ({len(found['all_seconds'][name])} times)"
              for name, seconds in found["median_seconds"].items()]
    lines.append("")
    lines += [f"{name:<68}{value:6.2f}" for name, value in found["ratios"].items()]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--no-forward", action="store_true", help="leave the UNet's steps out")
    parser.add_argument("--json", type=Path, help="write all numbers there as well")
    parser.add_argument("--threads", type=int, default=0, help="threads that torch may use")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    found = run(arguments.repeat, forward=not arguments.no_forward)
    print(show(found))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
