"""`organise`, `hash` and `watch`: what changes files or waits for changes."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from pathlib import Path

import pytest

from standalone.demo import DEMO_LORAS
from tests.standalone.libraries import PIXEL, Run, demo


@pytest.fixture(autouse=True)
def own_trash(own_bin: Path) -> Path:
    return own_bin.parent


@pytest.fixture
def ink(tmp_path: Path) -> Path:
    """A library with one file and all that lies beside it."""
    root = tmp_path / "loras"
    demo("golden", root / "ink.safetensors")
    (root / "ink.json").write_text('{"description": "mine", "extra": [1, 2]}')
    (root / "ink.preview.png").write_bytes(PIXEL)
    return root


def files(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


BEFORE = ["ink.json", "ink.preview.png", "ink.safetensors"]


class TestOrganise:
    @pytest.mark.parametrize(
        ("words", "after"),
        [
            (["move", "ink", "--to", "new/styles"], [f"new/styles/{name}" for name in BEFORE]),
            (["rename", "ink", "夜 ink"], [name.replace("ink", "夜 ink") for name in BEFORE]),
            (["trash", "ink"], []),
        ],
        ids=lambda value: value[0] if value else "",
    )
    def test_a_file_goes_with_all_that_belongs_to_it_and_comes_back(
        self, words: list[str], after: list[str], tell: Run, ink: Path
    ) -> None:
        where = ("--lora-dir", ink)
        dry = tell("organise", *words, "--dry-run", *where)
        assert dry.out.splitlines()[-1] == "nothing was changed (--dry-run)"
        assert files(ink) == BEFORE
        told = tell("organise", *words, *where)
        assert (told.code, told.err) == (0, "")
        assert "; 'organise undo 2" in told.out
        assert str(ink) not in told.out, "paths are told from the folder on"
        assert files(ink) == after
        back = tell("organise", "undo", *where, "--json")
        assert (back.code, back.row["kind"], back.row["done"]) == (0, "undo", True)
        assert files(ink) == BEFORE

    def test_the_rows_of_an_operation(self, tell: Run, ink: Path) -> None:
        row = tell("organise", "rename", "ink", "dusk", "--lora-dir", ink, "--json").row
        assert (row["kind"], row["done"], row["problems"]) == ("rename", True, [])
        assert {"action": "move", "source": str(ink / "ink.json"),
                "target": str(ink / "dusk.json")} in row["steps"]
        (listed,) = tell("organise", "history", "--lora-dir", ink, "--json").rows
        assert listed["operation"] == row["operation"]
        assert "rename" in tell("organise", "history", "--lora-dir", ink).out

    def test_stars_tags_and_notes_are_set_and_taken_back(self, tell: Run, ink: Path) -> None:
        where = ("--lora-dir", ink)
        told = tell("organise", "edit", "ink", "--favourite", "--tag", "a b", "--tag", "c",
                    "--rating", 7, "--notes", "gut", "--family", "sdxl", *where)
        assert told.code == 0
        assert "ink.safetensors: favourite no -> yes" in told.out
        row = tell("list", *where, "--json", "--favourite", "--tag", "c").row
        assert (row["tags"], row["rating"], row["family"]) == (["a b", "c"], 7, "sdxl")
        assert "* ink" in tell("list", *where).out
        tell("organise", "edit", "ink", "--untag", "c", "--no-favourite", "--family", "", *where)
        row = tell("list", *where, "--json").row
        assert (row["tags"], row["favourite"], row["family"]) == (["a b"], False, "loradex-demo")
        assert tell("organise", "undo", *where).code == 0
        assert tell("list", *where, "--json").row["tags"] == ["a b", "c"]

    def test_what_is_so_already_is_no_change(self, tell: Run, ink: Path) -> None:
        told = tell("organise", "edit", "ink", "--no-favourite", "--lora-dir", ink)
        assert told.out == "nothing to do: it is so already\n"
        assert tell("organise", "history", "--lora-dir", ink).out == "nothing was done so far\n"

    def test_the_webuis_notes_are_merged_and_come_back_byte_for_byte(
        self, tell: Run, ink: Path
    ) -> None:
        before = (ink / "ink.json").read_bytes()
        told = tell("organise", "describe", "ink", "--trigger-words", "gold, ink",
                    "--preferred-strength", 0.7, "--lora-dir", ink)
        assert told.code == 0
        written = json.loads((ink / "ink.json").read_text())
        assert written == {"description": "mine", "extra": [1, 2],
                           "activation text": "gold, ink", "preferred weight": 0.7}
        assert tell("list", "--lora-dir", ink, "--json").row["preferred_strength"] == 0.7
        assert tell("organise", "undo", "--lora-dir", ink).code == 0
        assert (ink / "ink.json").read_bytes() == before

    def test_a_path_as_the_shell_completes_it_is_a_name_too(
        self, tell: Run, ink: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(ink.parent)
        for word in ("loras/ink.safetensors", "./loras/../loras/ink.safetensors",
                     ink / "ink.safetensors", "ink.safetensors"):
            told = tell("organise", "trash", word, "--dry-run", "--lora-dir", "loras")
            assert (told.code, told.err) == (0, ""), word

    @pytest.mark.parametrize(
        ("words", "found"),
        [
            (["move", "ink", "gone", "--to", "x"], "gone: no network of that name"),
            (["move", "ink", "--to", "../outside"], "'..' cannot be used"),
            (["rename", "ink", "a/b"], "a/b"),
            (["rename", "ink", "CON"], "CON"),
            (["rename", "ink", "x.pt"], "suffix"),
            (["edit", "ink"], "nothing to change"),
            (["edit", "ink", "--rating", "11"], "rating: 11"),
            (["edit", "ink", "--family", "sdxk"], "Did you mean 'sdxl'?"),
            (["describe", "ink"], "nothing to write"),
            (["undo"], "there is nothing to undo"),
            (["undo", "20200101-000000-abcdef"], "there is no such operation"),
            (["history", "--limit", "0"], "no whole number from 1"),
            (["explode"], "invalid choice: 'explode'"),
            ([], "required: ACTION"),
        ],
    )
    def test_what_cannot_be_done_is_one_line_and_changes_nothing(
        self, words: list[str], found: str, tell: Run, ink: Path
    ) -> None:
        where = ("--lora-dir", ink) if words else ()
        told = tell("organise", *words, *where)
        assert (told.code, told.out) == (2, "")
        assert found in told.err
        assert told.err.count("\n") == 1
        assert files(ink) == BEFORE

    @pytest.mark.parametrize(
        "words", [["trash", "golden"], ["move", "golden", "--to", "x"], ["rename", "golden", "x"],
                  ["describe", "golden", "--description", "x"]])
    def test_what_came_with_loradex_stays(self, words: list[str], tell: Run) -> None:
        before = files(DEMO_LORAS)
        told = tell("organise", *words)
        assert (told.code, told.out) == (2, "")
        assert told.err.startswith("error: golden: it belongs to the bundled demo model")
        assert files(DEMO_LORAS) == before
        assert tell("organise", "edit", "golden", "--rating", 9, "--dry-run").code == 0

    def test_a_name_that_is_taken_is_refused(self, tell: Run, ink: Path) -> None:
        demo("night", ink / "night.safetensors")
        before = files(ink)
        told = tell("organise", "rename", "ink", "night", "--lora-dir", ink)
        assert told.code == 2
        assert "Nothing was changed" in told.err
        assert files(ink) == before

    def test_duplicates_are_candidates_until_they_are_hashed(self, tell: Run, ink: Path) -> None:
        shutil.copy(ink / "ink.safetensors", ink / "again.safetensors")
        where = ("--lora-dir", ink)
        group = tell("organise", "duplicates", *where, "--json").row
        assert (group["kind"], group["wasted_bytes"]) == ("candidates", 0)
        assert "keep" not in tell("organise", "duplicates", *where).out
        tell("hash", *where)
        group = tell("organise", "duplicates", *where, "--json").row
        assert group["kind"] == "same_file"
        assert group["wasted_bytes"] == (ink / "ink.safetensors").stat().st_size
        assert group["keep"] == str(ink / "ink.safetensors")
        assert len(group["files"]) == 2
        out = tell("organise", "duplicates", *where).out
        assert "keep  ink.safetensors (it has descriptions" in out
        assert out.splitlines()[-1] == "1 group, 190.5 KB to be gained"
        (ink / "again.safetensors").unlink()
        assert tell("organise", "duplicates", *where).out == "no duplicates found\n"


class TestHash:
    def test_the_hashes_are_those_of_the_bytes(self, tell: Run, ink: Path) -> None:
        content = (ink / "ink.safetensors").read_bytes()
        start = 8 + int.from_bytes(content[:8], "little")
        expected = hashlib.sha256(content).hexdigest()
        for words in ((ink,), ("--lora-dir", ink), (ink / "ink.safetensors",)):
            row = tell("hash", *words, "--json").row
            assert row["sha256"] == expected
            assert row["tensor_sha256"] == hashlib.sha256(content[start:]).hexdigest()
            assert row["autov2"] == expected[:10]
            assert row["autov3"] == row["tensor_sha256"][:12]
        assert tell("list", "--lora-dir", ink, "--json").row["sha256"] == expected
        assert expected in tell("inspect", ink / "ink.safetensors", "--lora-dir", ink).out
        assert expected in tell("hash", ink).out

    def test_broken_files_have_hashes_too_and_a_bad_path_hides_nothing(
        self, tell: Run, library: Path
    ) -> None:
        told = tell("hash", library / "page.safetensors", "gone", library / "xl", "--json")
        assert told.code == 2
        page, gone, ink = told.rows
        assert (len(page["sha256"]), page["tensor_sha256"]) == (64, None)
        assert gone["error"]["subject"] == "gone"
        assert len(ink["tensor_sha256"]) == 64
        assert "None" not in tell("hash", library / "page.safetensors").out


class TestWatch:
    def test_changes_are_told_as_they_happen(self, tell: Run, ink: Path) -> None:
        source = DEMO_LORAS / "night.safetensors"
        timers = [
            threading.Timer(1.0, shutil.copy, (source, ink / "new.safetensors")),
            threading.Timer(1.0, (ink / "bad.safetensors").write_bytes, (b"<html>",)),
        ]
        for timer in timers:
            timer.start()
        told = tell("watch", "--lora-dir", ink, "--for", 4, "--json")
        for timer in timers:
            timer.join()
        assert (told.code, told.err) == (0, "")
        first, *changes = told.rows
        assert first["event"] == "watching"
        assert first["mode"] in ("native", "polling")
        assert first["files"] == 1
        found = {change["id"]: change for change in changes}
        assert found["new.safetensors"]["event"] == "added"
        assert found["new.safetensors"]["file"]["types"] == {"loha": 66}
        assert found["bad.safetensors"]["file"]["fault"] == "html-page"

    def test_people_read_it_in_lines(self, tell: Run, ink: Path) -> None:
        timer = threading.Timer(1.0, (ink / "ink.safetensors").rename, (ink / "gold.safetensors",))
        timer.start()
        told = tell("watch", "--lora-dir", ink, "--for", 3.5)
        timer.join()
        lines = told.out.splitlines()
        assert lines[0].startswith(f"watching {ink}: ")
        assert lines[1] == "1 file, 1 change since the last time"
        assert "moved     gold.safetensors (was ink.safetensors)" in lines

    @pytest.mark.parametrize("seconds", ["soon", "-1", "nan", "inf"])
    def test_a_time_that_is_none_is_one_line(self, seconds: str, tell: Run, ink: Path) -> None:
        told = tell("watch", "--lora-dir", ink, f"--for={seconds}")
        assert (told.code, told.out) == (2, "")
        assert f"'{seconds}' is no number of seconds" in told.err
