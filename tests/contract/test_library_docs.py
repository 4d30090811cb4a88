"""docs/library.md lists every fault and every sidecar format that the code knows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from loradex.catalog.catalog import DATABASE, JOURNAL
from loradex.catalog.index.export import export_path
from loradex.files.deep import deep_check
from loradex.files.faults import FAULTS
from loradex.files.sidecars import READERS


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "library.md").read_text(encoding="utf-8")


def rows(page: str, title: str) -> list[tuple[str, ...]]:
    """The cells of the table whose first column has that title."""
    table = re.search(rf"\| {title} \|.*?\n\|[-|]+\|\n((?:\|.*\n)+)", page)
    assert table, f"no table of {title}"
    return [
        tuple(cell.strip() for cell in line.strip("|\n").split("|"))
        for line in table[1].splitlines()
    ]


def test_every_fault_is_listed_with_its_words(page: str) -> None:
    listed = {code.strip("`"): (meaning, step)
              for title in ("fault", "finding") for code, meaning, step in rows(page, title)}
    assert listed == {kind.code: (kind.meaning, kind.next_step) for kind in FAULTS.values()}


def test_the_findings_of_a_deep_check_stand_apart(page: str) -> None:
    assert deep_check.__doc__
    deep = [code.strip("`") for code, *_ in rows(page, "finding")]
    assert deep[0] == "not-finite"
    assert "truncated" not in deep


def test_every_sidecar_format_is_listed_with_its_owner(page: str) -> None:
    listed = [(file.strip("`"), owner) for file, owner in rows(page, "sidecar")]
    expected = [
        (f"NAME{'.safetensors' if one.full_name else ''}{one.suffix}", one.owner)
        for one in READERS
    ]
    assert listed == expected


def test_the_files_of_a_catalog_have_the_names_that_are_told(page: str) -> None:
    for name in (DATABASE, JOURNAL, export_path(Path(DATABASE)).name):
        assert f"`{name}`" in page
