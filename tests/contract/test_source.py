"""What every source file keeps to, so that the tree stays easy to read."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOREIGN = {"torch", "modules", "diffusers", "transformers", "gradio"}


def sources() -> list[Path]:
    places = [ROOT / "extension", ROOT / "standalone", ROOT / "scripts", ROOT / "benchmarks"]
    found = [p for place in places for p in sorted(place.rglob("*.py"))]
    return [*found, ROOT / "install.py"]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def assigned(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Assign):
        yield from node.targets
    elif isinstance(node, ast.AugAssign | ast.AnnAssign):
        yield node.target


def outermost(expr: ast.expr) -> str:
    while isinstance(expr, ast.Attribute):
        expr = expr.value
    return expr.id if isinstance(expr, ast.Name) else ""


@pytest.mark.parametrize("path", sources(), ids=name_of)
def test_a_file_is_short_and_says_what_it_is_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert len(text.splitlines()) <= 400
    summary = (ast.get_docstring(tree) or "").split("\n\n")[0]
    assert summary, "no module docstring"
    assert summary.rstrip().endswith((".", ":")), f"not a sentence: {summary!r}"


@pytest.mark.parametrize("path", sources(), ids=name_of)
def test_nothing_of_others_is_patched_and_no_state_is_global(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not isinstance(node, ast.Global), f"line {node.lineno}: global"
        for target in assigned(node):
            patched = isinstance(target, ast.Attribute) and outermost(target) in FOREIGN
            assert not patched, f"line {node.lineno}: assigns to {ast.unparse(target)}"


def test_scripts_are_thin() -> None:
    for path in (ROOT / "scripts").glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 20, path


def tracked() -> list[Path]:
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip("not a git checkout")
    return [p for name in done.stdout.split("\0") if name and (p := ROOT / name).is_file()]


def test_the_tree_stays_small() -> None:
    sizes = {path: path.stat().st_size for path in tracked()}
    assert max(sizes.values()) <= 8 * 2**20
    assert sum(sizes.values()) <= 25 * 2**20
    assert sum(s for p, s in sizes.items() if (ROOT / "standalone/demo") in p.parents) <= 12 * 2**20


def test_the_licence_is_there() -> None:
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert re.search(r'^license = "Apache-2.0"$', (ROOT / "pyproject.toml").read_text(), re.M)


def test_no_test_asserts_how_long_something_took() -> None:
    """Busy machines fail such tests; work is counted (tests/counting.py), time is benchmarked."""
    took = re.compile(r"(perf_counter|process_time|thread_time|monotonic)\(\) -|\bseconds\b.* < ")
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assert):
                source = ast.unparse(node.test)
                assert not took.search(source), f"{name_of(path)}, line {node.lineno}: {source}"
