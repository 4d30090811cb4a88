"""The page's own code: its unit tests and its types, with the tools that package.json pins."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TSC = ROOT / "node_modules" / "typescript" / "bin" / "tsc"
NODE = shutil.which("node") or ""
HAS_NODE = bool(NODE) and int(
    subprocess.run([NODE, "--version"], capture_output=True, text=True, check=True)
    .stdout.lstrip("v").partition(".")[0]) >= 20

# Where CI runs, .ci/run has installed both: there a missing tool is a failure.
needs_node = pytest.mark.skipif(
    not HAS_NODE and not os.environ.get("CI"), reason="no Node.js 20 here")
needs_types = pytest.mark.skipif(
    not TSC.exists() and not os.environ.get("CI"), reason="no TypeScript here: npm ci")


def run(*arguments: str) -> None:
    done = subprocess.run(
        [NODE or "node", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


@needs_node
def test_the_page_s_unit_tests_pass() -> None:
    run("--test", "tests/web/")


@needs_node
@needs_types
def test_the_page_s_types_hold() -> None:
    run(str(TSC), "-p", "extension/loradex/web/jsconfig.json")
