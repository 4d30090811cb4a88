"""How fast networks go on and off in a real WebUI, beside its built-in, in one run of it.

    python -m benchmarks.webui --webui PATH                narrow model: a quick look
    python -m benchmarks.webui --webui PATH --full-size    SD 1.5's real size, fp32, about 14 GB
    python -m benchmarks.webui --webui PATH --json FILE    every single time, for programs

Weights are random; two LoRAs of rank 32 are on 192 modules of the UNet and 72 of the text encoder.
The seconds are those inside the WebUI: loading and applying, without the picture. For the built-in
they are those of its `load_networks` and `network_apply_weights`, for Loradex those of its report.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.real_webui.host import (
    PYTHON,
    DataFolder,
    Installation,
    RunningWebUI,
    installation_at,
)
from tests.real_webui.models import Models, make_models, start
from tests.real_webui.networks import network_tensors, write_network

RANK = 32
ROUNDS = 5
NAMES = ("one", "two")
OPERATIONS = ("first use", "switch", "same again", "remove", "idle")
ENGINES = ("loradex", "built-in")
Times = dict[str, list[float]]


class Bench:
    """One engine's turn in the running WebUI."""

    def __init__(self, host: RunningWebUI, engine: str) -> None:
        self.host, self.engine = host, engine
        self.apply: Times = defaultdict(list)
        self.total: Times = defaultdict(list)
        self.memory: dict[str, int] = {}

    def run(self, rounds: int) -> None:
        self.host.set(loradex_engine=self.engine == "loradex")
        self.draw("")
        self.draw("")
        self.note_memory("before")
        self.measured("first use", NAMES[0])
        self.note_memory("with a network")
        for _ in range(rounds):
            for name in reversed(NAMES):
                self.measured("switch", name)
            self.measured("same again", NAMES[0])
            self.measured("remove", "")
            self.measured("idle", "")
            self.draw(NAMES[0])
        self.draw("")
        self.note_memory("removed")

    def measured(self, operation: str, name: str) -> None:
        total, apply = self.draw(name)
        self.total[operation].append(total)
        self.apply[operation].append(apply)

    def draw(self, name: str) -> tuple[float, float]:
        """Seconds of the whole request, and those that went into networks."""
        self.host.get("/loradex-probe/seconds")
        started = time.perf_counter()
        picture = self.host.draw(f"a cat <lora:{name}:1>" if name else "a cat", steps=1)
        total = time.perf_counter() - started
        if self.engine != "loradex":
            return total, sum(self.host.get("/loradex-probe/seconds").values())
        if name and f"{name} 264/264" not in picture.report:
            raise RuntimeError(f"not applied in full: {picture.report!r}")
        return total, float(self.host.applied()["seconds"])

    def note_memory(self, when: str) -> None:
        self.memory[when] = self.host.rss_bytes()

    def as_dict(self) -> dict[str, Any]:
        return {"apply_seconds": self.apply, "total_seconds": self.total,
                "rss_bytes": self.memory}


def measure(installation: Installation, folder: Path, kind: str, rounds: int) -> dict[str, Any]:
    models = make_models(installation, folder, (kind,))
    data = DataFolder(folder / "data")
    data.prepare()
    checkpoint = f"{kind}.safetensors"
    for seed, name in enumerate(NAMES):
        tensors = network_tensors(models.folder / checkpoint, rank=RANK, seed=seed)
        write_network(data.loras / f"{name}.safetensors", tensors)
    with timed_host(installation, models, data, checkpoint) as host:
        benches = [Bench(host, engine) for engine in ENGINES]
        for bench in benches:
            bench.run(rounds)
        return {"start_seconds": host.start_seconds, "model": kind,
                **{bench.engine: bench.as_dict() for bench in benches}}


def timed_host(
    installation: Installation, models: Models, data: DataFolder, checkpoint: str
) -> RunningWebUI:
    host = start(installation, models, data, checkpoint=checkpoint)
    host.variables["LORADEX_PROBE_TIMING"] = "1"
    return host


def table(found: dict[str, Any]) -> str:
    """Medians in milliseconds and how many times faster; memory beyond that before first use."""
    lines = [f"{'':14}{'Loradex ms':>12}{'built-in ms':>13}{'times faster':>14}"]
    for operation in OPERATIONS:
        ours, theirs = (
            1000 * statistics.median(found[engine]["apply_seconds"][operation])
            for engine in ENGINES)
        faster = f"{theirs / ours:.1f}" if ours > 0.01 else "-"
        lines.append(f"{operation:14}{ours:12.2f}{theirs:13.2f}{faster:>14}")
    for when in ("with a network", "removed"):
        ours, theirs = (
            (found[engine]["rss_bytes"][when] - found[engine]["rss_bytes"]["before"]) / 2**20
            for engine in ENGINES)
        lines.append(f"{when:14}{ours:9.0f} MB{theirs:10.0f} MB")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--webui", type=Path, required=True, help="the WebUI's folder")
    parser.add_argument("--python", type=Path, help=f"its Python, as {PYTHON} says it otherwise")
    parser.add_argument("--full-size", action="store_true", help="SD 1.5's real size")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=Path, help="write every single number here")
    given = parser.parse_args()
    if given.python:
        os.environ[PYTHON] = str(given.python)
    with tempfile.TemporaryDirectory(prefix="loradex-webui-") as folder:
        kind = "full-sd1" if given.full_size else "narrow-sd1"
        found = measure(installation_at(given.webui), Path(folder), kind, given.rounds)
    print(table(found))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
