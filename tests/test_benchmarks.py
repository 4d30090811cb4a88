"""The benchmarks run, on a small model: what they measure is for a quiet machine to say."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from benchmarks import engine, gpu, modes, sd15  # noqa: E402
from benchmarks.gpu_models import Bare  # noqa: E402

pytestmark = pytest.mark.torch

SMALL = {"block_out_channels": (16, 32, 32, 32), "norm_num_groups": 8, "cross_attention_dim": 16,
         "attention_head_dim": 4}


def test_the_engine_benchmark_prints_a_table_and_writes_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sd15, "CONFIG", {**sd15.CONFIG, **SMALL})
    out = tmp_path / "out.json"
    monkeypatch.setattr(sys, "argv", ["engine", "--no-peers", "--repeat", "1", "--json", str(out)])
    engine.main()
    found = json.loads(out.read_text())
    assert found["modules"] == 192
    assert found["ratios"]["buffers / touched weights"] == 1.0
    printed = capsys.readouterr().out
    for name in ("switch", "remove", "no-op", "floor: one addmm per module"):
        assert name in found["median_seconds"]
        assert name in printed


def test_the_modes_benchmark_measures_every_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sd15, "CONFIG", {**sd15.CONFIG, **SMALL})
    monkeypatch.setattr(sys, "argv", ["modes", "--repeat", "1"])
    modes.main()
    printed = capsys.readouterr().out
    for name in ("bf16 files on bf16: switch / floor",
                 "fp16 files on fp32: 5 of one strength / one",
                 "fp16 files on bf16: schedule / 20 switches",
                 "fp8: step with 5 networks / without", "batch: at once / without networks"):
        assert name in printed


def test_the_gpu_benchmark_measures_the_engine_the_loops_and_the_peers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "gpu.json"
    monkeypatch.setattr(sys, "argv", [
        "gpu", "--device", "cpu", "--models", "tiny-flux", "--dtypes", "bfloat16", "--repeat", "1",
        "--json", str(out)])
    gpu.main()
    (found,) = json.loads(out.read_text())["results"]
    printed = capsys.readouterr().out
    for name in ("engine: switch", "engine: cold adapter out of the page cache",
                 "packed baddbmm, 32 MB", "like Forge", "diffusers: set_adapters",
                 "diffusers: fuse_lora", "diffusers: hotswap"):
        assert name in found["median"]
        assert name in printed
    assert found["rebuilt"] == found["modules"]


def test_the_gpu_benchmark_has_the_modules_of_the_real_models() -> None:
    assert {name: len(Bare(name).shapes) for name in ("sd15", "sdxl", "flux")} == {
        "sd15": 192, "sdxl": 722, "flux": 494}
