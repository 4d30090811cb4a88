"""How fast networks go on and off a full SD 1.5 UNet, beside diffusers, PEFT and the floor.

`python -m benchmarks.engine [--repeat N] [--threads N] [--no-peers] [--json PATH]`
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import diffusers
import torch
from loradex.catalog.disk.scan import scan_networks
from loradex.catalog.network_file import NetworkFile
from loradex.networks.model import bind_diffusers
from loradex.networks.network import load_network
from loradex.networks.patcher import Patcher, StackEntry
from torch import Tensor

from benchmarks import sd15
from benchmarks.memory import MemoryPeak, rss_bytes


@dataclass
class Times:
    """Seconds per operation, one list each; operations take turns so that all see one machine.

    `cpu` is this process' own time: on one thread it leaves out what other processes take.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)

    def take(self, name: str, action: Callable[[], object]) -> None:
        begun, used = time.perf_counter(), time.process_time()
        action()
        self.cpu.setdefault(name, []).append(time.process_time() - used)
        self.seconds.setdefault(name, []).append(time.perf_counter() - begun)

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])

    def median_cpu(self, name: str) -> float:
        return statistics.median(self.cpu[name])


class Ours:
    """Loradex on the UNet: two networks, warm after the first use of each."""

    def __init__(self, unet: torch.nn.Module, files: Sequence[NetworkFile]) -> None:
        self.patcher = Patcher(bind_diffusers(unet))
        self.networks = [load_network(file) for file in files]

    def apply(self, index: int, strength: float = 1.0) -> None:
        self.patcher.apply([StackEntry(self.networks[index], strength, strength)])

    def round(self, times: Times) -> None:
        """Each operation from the state that it is for."""
        patcher = self.patcher
        patcher.restore()
        times.take("apply", lambda: self.apply(0))
        times.take("switch", lambda: self.apply(1))
        times.take("strength change", lambda: self.apply(1, 0.5))
        times.take("no-op", lambda: self.apply(1, 0.5))
        times.take("remove", patcher.restore)

    def floor(self, times: Times) -> None:
        """One product and one copy per module, between the very buffers that the engine uses."""
        self.apply(0)
        jobs = list(self._jobs())
        times.take("floor: one addmm per module", lambda: one_addmm_each(jobs))
        times.take("floor: one copy per module", lambda: _copy(jobs))
        self.patcher.restore()

    def _jobs(self) -> Sequence[tuple[Tensor, Tensor, Tensor, Tensor]]:
        jobs = []
        for slot in self.patcher._slots.values():
            assert slot.base is not None
            assert slot.live is not None
            edit = slot.recipe.steps[0].edit
            made = edit.factors(None, slot.base.device, torch.float32)
            jobs.append((slot.base.flatten(1), made.up, made.down, slot.live.flatten(1)))
        return jobs


class Peers:
    """diffusers and PEFT on a UNet of their own."""

    def __init__(self, unet: sd15.UNet2DConditionModel) -> None:
        diffusers.utils.logging.set_verbosity_error()
        warnings.filterwarnings("ignore", module="peft")
        self.unet = unet
        self.states = [sd15.peft_state(unet, seed) for seed in (1, 2)]
        for index, state in enumerate(self.states):
            unet.load_lora_adapter(dict(state), prefix=None, adapter_name=f"n{index}")
        unet.set_adapters(["n0"])

    def round(self, times: Times) -> None:
        unet = self.unet
        unet.set_adapters(["n0"])
        times.take("diffusers fuse_lora", lambda: unet.fuse_lora(adapter_names=["n0"]))
        times.take("diffusers unfuse_lora", unet.unfuse_lora)
        times.take("PEFT delete + load + set_adapters", self._reload)

    def _reload(self) -> None:
        self.unet.delete_adapters(["n0"])
        self.unet.load_lora_adapter(dict(self.states[0]), prefix=None, adapter_name="n0")
        self.unet.set_adapters(["n0"])


def one_addmm_each(jobs: Sequence[tuple[Tensor, Tensor, Tensor, Tensor]]) -> None:
    with torch.no_grad():
        for base, up, down, live in jobs:
            torch.addmm(base, up, down, out=live)


def _copy(jobs: Sequence[tuple[Tensor, Tensor, Tensor, Tensor]]) -> None:
    with torch.no_grad():
        for base, _, _, live in jobs:
            live.copy_(base)


def cold(unet: torch.nn.Module, file: NetworkFile, times: Times) -> dict[str, float]:
    """The first use: read, parse, plan, and an apply into memory that was never touched."""
    patcher = Patcher(bind_diffusers(unet))
    touched = sum(
        4 * shape[0] * shape[1] for shape in sd15.attention_modules(unet).values()
    )
    loaded: list[object] = []
    times.take("cold: read and parse", lambda: loaded.append(load_network(file)))
    network = loaded[0]
    times.take("cold: plan", lambda: patcher.plan(network))
    edits = patcher.plan(network).edits
    like = (None, torch.device("cpu"), torch.float32)
    times.take("cold: factors", lambda: [edit.factors(*like) for edit in edits])
    before = rss_bytes()
    with MemoryPeak() as peak:
        times.take("cold: first apply", lambda: patcher.apply([StackEntry(network)]))
    allocated = patcher.work.bytes_allocated
    patcher.restore()
    patcher.release_spare()
    return {
        "touched_bytes": touched,
        "buffer_bytes": allocated,
        "rss_bytes": max(0, peak.bytes - before),
        "network_bytes": sum(edit.factors(*like).nbytes for edit in edits),
    }


def run(repeat: int, peers: bool) -> dict[str, object]:
    times = Times()
    unet = sd15.random_unet()
    with tempfile.TemporaryDirectory() as folder:
        for seed in (1, 2):
            sd15.write_kohya(Path(folder) / f"n{seed}.safetensors", unet, seed)
        files = scan_networks([Path(folder)])
        memory = cold(unet, files[0], times)  # memory is counted where none was ever freed
        for _ in range(2):
            cold(unet, files[0], times)
        ours = Ours(unet, files)
        others = Peers(sd15.twin(unet)) if peers else None
        ours.apply(0)
        ours.apply(1)
        for _ in range(repeat):
            ours.round(times)
            ours.floor(times)
            if others is not None:
                others.round(times)
    return result(times, memory, len(sd15.attention_modules(unet)))


def result(times: Times, memory: dict[str, float], modules: int) -> dict[str, object]:
    return {
        "modules": modules, "rank": sd15.RANK, "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "median_seconds": {name: times.median(name) for name in times.seconds},
        "median_cpu_seconds": {name: times.median_cpu(name) for name in times.cpu},
        "all_seconds": times.seconds, "all_cpu_seconds": times.cpu,
        "ratios": {
            **ratios(times.median, times, ""), **ratios(times.median_cpu, times, ", CPU time"),
            "buffers / touched weights": memory["buffer_bytes"] / memory["touched_bytes"],
        },
        "memory": memory,
    }


def ratios(median: Callable[[str], float], times: Times, what: str) -> dict[str, float]:
    """The switch against the floor and, where they were measured, against the peers."""
    switch = median("switch")
    found = {f"switch / floor{what}": switch / median("floor: one addmm per module")}
    if "diffusers fuse_lora" in times.seconds:
        fused = median("diffusers fuse_lora") + median("diffusers unfuse_lora")
        found[f"(fuse + unfuse) / switch{what}"] = fused / switch
        reload = median("PEFT delete + load + set_adapters")
        found[f"PEFT delete + load / switch{what}"] = reload / switch
    return found


def show(found: dict[str, object]) -> str:
    """The table that people read."""
    lines = [f"SD 1.5 UNet, {found['modules']} modules, rank {found['rank']}, fp32, "
             f"{found['threads']} CPU threads, torch {found['torch']}", ""]
    lines.append(f"{'median of':<36}{'time':>13}{'CPU time':>13}")
    for name, seconds in found["median_seconds"].items():
        cpu = found["median_cpu_seconds"][name]
        count = len(found["all_seconds"][name])
        lines.append(f"{name:<36}{duration(seconds)}{duration(cpu)}   ({count} times)")
    lines.append("")
    lines.extend(f"{name:<44}{value:6.2f}" for name, value in found["ratios"].items())
    lines.append("")
    lines.extend(f"{name:<36}{value / 1e6:10.1f} MB" for name, value in found["memory"].items())
    return "\n".join(lines)


def duration(seconds: float) -> str:
    return f"{seconds * 1e3:10.2f} ms" if seconds < 0.1 else f"{seconds:10.3f} s "


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--no-peers", action="store_true", help="leave diffusers and PEFT out")
    parser.add_argument("--json", type=Path, help="write all numbers there as well")
    parser.add_argument("--threads", type=int, default=0, help="threads that torch may use")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    found = run(arguments.repeat, not arguments.no_peers)
    print(show(found))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
