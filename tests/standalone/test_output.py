"""Pictures are written whole or not at all, and never over another one."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

Image = pytest.importorskip("PIL.Image")

from loradex.errors import InputError  # noqa: E402

from standalone.output import next_number, write_numbered, write_png  # noqa: E402


@pytest.fixture
def picture() -> Any:
    return Image.new("RGB", (4, 4), (255, 0, 0))


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize("text", ["plain\nSteps: 1", "東京 – <lora:ü:1>", ""])
def test_the_infotext_is_read_back(text: str, picture: Any, tmp_path: Path) -> None:
    path = write_png(picture, text, tmp_path / "a.png")
    with Image.open(path) as image:
        assert image.info["parameters"] == text
    assert names(tmp_path) == ["a.png"]


def test_numbers_go_on_after_the_highest(picture: Any, tmp_path: Path) -> None:
    (tmp_path / "00041-7.png").touch()
    (tmp_path / "notes.png").touch()
    assert write_numbered(picture, "", tmp_path, 9).name == "00042-9.png"
    assert next_number(tmp_path) == 43


def test_many_writers_at_once_each_get_a_file_of_their_own(picture: Any, tmp_path: Path) -> None:
    threads = [threading.Thread(target=write_numbered, args=(picture, "", tmp_path, 1))
               for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names(tmp_path)) == 8


def test_a_folder_without_hard_links_works_too(
    picture: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    for number in (1, 2):
        path = write_numbered(picture, "text", tmp_path, 5)
        assert path.name == f"0000{number}-5.png"
        Image.open(path).load()
    assert names(tmp_path) == ["00001-5.png", "00002-5.png"]


def test_a_failure_while_writing_leaves_the_old_file_and_nothing_else(
    picture: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a.png"
    target.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device"):
        write_png(picture, "", target)
    with pytest.raises(InputError, match="No space left on device"):
        write_numbered(picture, "", tmp_path, 1)
    assert names(tmp_path) == ["a.png"]
    assert target.read_bytes() == b"old"


def test_a_place_that_is_a_folder_is_refused(picture: Any, tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        write_png(picture, "", tmp_path / "a.png")
    assert names(tmp_path) == ["a.png"]
