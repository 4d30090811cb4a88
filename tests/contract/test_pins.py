"""Versions agree with each other: package, ranges and pins."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, Any]:
    tomllib = pytest.importorskip("tomllib", reason="tomllib came with Python 3.11")
    loaded: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    return loaded["project"]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(root: Path) -> list[tuple[str, str, str]]:
    """(name, version, marker) of every line of the constraints."""
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = []
    for line in lines:
        if line and not line.startswith("#"):
            match = re.fullmatch(r"([\w.-]+)==([\w.+!]+)(?:; (.+))?", line)
            assert match, f"not a pin: {line}"
            found.append((match[1], match[2], match[3] or ""))
    return found


def test_the_package_has_the_version_of_the_project(project: dict[str, Any]) -> None:
    import loradex

    assert loradex.__version__ == project["version"]


def test_every_dependency_is_pinned(root: Path, project: dict[str, Any]) -> None:
    pinned = {normal(name) for name, _, _ in pins(root)}
    wanted = {
        normal(re.match(r"[\w.-]+", requirement)[0])  # type: ignore[index]
        for group in project["optional-dependencies"].values()
        for requirement in [*group, *project["dependencies"]]
    }
    assert wanted - {"loradex"} <= pinned


def test_every_dependency_has_its_reason(root: Path, project: dict[str, Any]) -> None:
    reasons = (root / "docs" / "decisions.md").read_text(encoding="utf-8")
    for group in project["optional-dependencies"].values():
        for requirement in group:
            name = re.match(r"[\w.-]+", requirement)[0]  # type: ignore[index]
            assert name == "loradex" or f"| {name} |" in reasons, f"{name}: no reason written down"


def test_a_package_is_pinned_once_for_each_python(root: Path) -> None:
    by_name: dict[str, list[str]] = {}
    for name, _, marker in pins(root):
        by_name.setdefault(normal(name), []).append(marker)
    for name, markers in by_name.items():
        if len(markers) > 1:
            halves = ['python_version < "3.11"', 'python_version >= "3.11"']
            assert sorted(markers) == halves, name


@pytest.mark.torch
def test_this_environment_has_the_pinned_versions(root: Path) -> None:
    """Runs where install.py made the environment; a drifted one makes every other test moot."""
    metadata = pytest.importorskip("importlib.metadata")
    requirements = pytest.importorskip("packaging.requirements")
    for name, version, marker in pins(root):
        applies = requirements.Requirement(f"x; {marker}" if marker else "x").marker
        if applies is not None and not applies.evaluate():
            continue
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        assert installed.split("+")[0] == version, f"{name} on Python {sys.version_info[:2]}"
