"""A short form of the fuzzing; the long one is `python tests/fuzz/fuzz_files.py all`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("atheris")


@pytest.mark.parametrize("target", ["header", "metadata", "sidecar", "edit"])
def test_a_few_seconds_of_fuzzing_find_nothing(tmp_path, target):
    script = Path(__file__).with_name("fuzz_files.py")
    done = subprocess.run(
        [sys.executable, str(script), target, "--seconds", "3"],
        cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    runs = re.search(r"number_of_executed_units:\s*(\d+)", done.stderr)
    assert runs
    assert int(runs[1]) > 100
