"""docs/architecture.md leads from the README to any file."""

from __future__ import annotations

import re
from pathlib import Path

PLACES = ("extension/loradex", "standalone", "benchmarks")


def modules(root: Path) -> set[str]:
    found = [path for place in PLACES for path in (root / place).rglob("*.py")]
    return {path.relative_to(root).as_posix() for path in found if path.name != "__init__.py"}


def on_the_map(root: Path) -> list[str]:
    """Every file that has a line of its own, as a path from the root."""
    page = (root / "docs" / "architecture.md").read_text(encoding="utf-8")
    return re.findall(r"^\| \[`[^`]+`\]\(\.\./([^)]+)\) \|", page, re.MULTILINE)


def test_every_module_is_on_the_map_once(root: Path) -> None:
    listed = on_the_map(root)
    assert len(listed) == len(set(listed))
    assert sorted(modules(root) - set(listed)) == []


def test_the_map_names_no_file_that_is_gone(root: Path) -> None:
    assert [name for name in on_the_map(root) if not (root / name).exists()] == []


def test_the_readme_leads_to_every_page(root: Path) -> None:
    """Over at most one page in between."""
    pages = {path.name: path.read_text(encoding="utf-8") for path in (root / "docs").glob("*.md")}
    readme = (root / "README.md").read_text(encoding="utf-8")
    reached = {name for name in pages if f"docs/{name}" in readme}
    reached |= {name for name in pages if any(f"({name}" in pages[via] for via in reached)}
    assert sorted(set(pages) - reached) == []
