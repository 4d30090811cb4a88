"""The engine beside a device that is not the CPU, whose memory can run out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from tests.second_device.device import COMPILER

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(COMPILER is None, reason="no C++ compiler to build the device with"),
    pytest.mark.skipif(sys.platform != "linux", reason="built with the flags of Linux"),
]


@pytest.mark.timeout(600)
def test_any_life_on_two_devices_leaves_the_right_bits_and_no_memory(tmp_path: Path) -> None:
    """Networks come and go, the model moves, the card is full: every apply is a fresh one's, every
    refusal leaves the checkpoint."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.second_device.histories", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for word in ("out of memory", "base in main memory"):
        assert f"'{word}'" in done.stdout
