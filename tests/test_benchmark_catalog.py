"""The catalog's benchmark runs on a small library: its numbers are for a quiet machine to say."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from loradex.files.header import read_header

from benchmarks import catalog, library


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("library")
    library.write_library(root, 30)
    return root


def test_the_files_are_real_networks_of_their_real_size(folder: Path) -> None:
    headers = [read_header(path) for path in folder.rglob("*.safetensors")]
    assert len(headers) == 30
    modules = {len(header.tensors) // 3 for header in headers}
    assert modules <= {264, 300, 986}
    assert all(header.metadata["ss_tag_frequency"] for header in headers)


@pytest.mark.parametrize("name", [name for name in catalog.MEASURES if name != "new file"])
def test_every_measure_gives_numbers(folder: Path, tmp_path: Path, name: str) -> None:
    if name not in ("cold", "floor: scandir and stat", "floor: json of every header"):
        catalog.cold(folder, tmp_path)
    numbers = catalog.MEASURES[name](folder, tmp_path)
    assert numbers
    assert all(value >= 0 for value in numbers.values())


def test_a_new_file_is_waited_for(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "_NEW_FILES", 1)
    assert catalog.new_file(folder, tmp_path)["worst_seconds"] > 0


def test_a_measure_runs_as_a_process_and_prints_json(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["catalog", "--measure", "cold", str(folder), str(tmp_path)]
    monkeypatch.setattr(sys, "argv", words)
    catalog.main()
    assert json.loads(capsys.readouterr().out)["seconds"] > 0


def test_results_are_shown_as_a_table() -> None:
    lines = list(catalog.show({"files": 5, "library_gb": 1.0, "cold": {"seconds": 1.5}}))
    assert lines[0].startswith("5 files")
    assert "seconds 1.500" in lines[1]
