"""Who imports whom, and what stays out of memory until it is needed."""

from __future__ import annotations

import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "numpy", "gradio", "diffusers", "transformers", "safetensors", "PIL")
TORCH_FREE = ("files", "keys", "compat", "prompts", "catalog", "server")


def run_python(root: Path, *args: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root / "extension"), str(root)])}
    return subprocess.run(
        [sys.executable, *args], cwd=root, env=env, capture_output=True, text=True, timeout=60
    )


def modules_of(root: Path, package: str) -> list[str]:
    folder = root / "extension" / "loradex" / package
    prefix = f"loradex.{package}."
    return [m.name for m in pkgutil.walk_packages([str(folder)], prefix)]


def test_the_import_contracts_hold(root: Path) -> None:
    pytest.importorskip("importlinter")
    code = "from importlinter.cli import lint_imports; exit(lint_imports(no_cache=True))"
    done = run_python(root, "-c", code)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_everything_that_reads_files_runs_without_torch(root: Path) -> None:
    modules = ["loradex", "loradex.errors"]
    for package in TORCH_FREE:
        modules += [f"loradex.{package}", *modules_of(root, package)]
    code = f"import sys, {', '.join(modules)}; print(*[m for m in {HEAVY} if m in sys.modules])"
    done = run_python(root, "-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


@pytest.mark.parametrize("args", [["--help"], ["generate", "--help"]])
def test_help_does_not_load_torch(root: Path, args: list[str]) -> None:
    code = (
        "import sys; from standalone.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"print('loaded:', *[m for m in {HEAVY} if m in sys.modules])"
    )
    done = run_python(root, "-c", code, *args)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].strip() == "loaded:"
