"""The engine and the standalone beside a device that is not the CPU, whose memory can run out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from tests.second_device.device import COMPILER, build

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(COMPILER is None, reason="no C++ compiler to build the device with"),
    pytest.mark.skipif(sys.platform != "linux", reason="built with the flags of Linux"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("device")
    build(made)
    return made


def told_by(program: str, folder: Path) -> str:
    """What a program prints; a device is a process's for good, so each is one of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", f"tests.second_device.{program}", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_any_life_on_two_devices_leaves_the_right_bits_and_no_memory(folder: Path) -> None:
    """Networks come and go, the model moves, the card is full: every apply is a fresh one's, every
    refusal leaves the checkpoint."""
    told = told_by("histories", folder)
    for word in ("out of memory", "base in main memory"):
        assert f"'{word}'" in told


def test_the_demo_draws_the_cpus_picture_there_and_less_memory_changes_nothing(
    folder: Path
) -> None:
    assert "'on', 'host'" in told_by("pictures", folder)
