"""`list`: every file with what it is, filtered and searched, for people and for programs."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.standalone.libraries import Run, network, write


def test_every_file_is_listed_with_what_it_is(tell: Run, library: Path) -> None:
    told = tell("list", library, "--json")
    assert told.code == 0
    found = {row["id"]: (row["status"], row["fault"], row["kind"], row["family"])
             for row in told.rows}
    assert found == {
        "gold.safetensors": ("ok", None, "lora", "loradex-demo"),
        "copies/gold copy.safetensors": ("ok", None, "lora", "loradex-demo"),
        "Ünï ✨/夜 [v2] (final).safetensors": ("ok", None, "lora", "loradex-demo"),
        "sd1/ink.safetensors": ("ok", None, "lora", "sd1"),
        "xl/ink.safetensors": ("ok", None, "lora", "sdxl"),
        "wrong/model.safetensors": ("not_a_lora", "not-a-lora", found["wrong/model.safetensors"][2],
                                    None),
        "empty.safetensors": ("broken", "empty", None, None),
        "page.safetensors": ("broken", "html-page", None, None),
        "cut.safetensors": ("broken", "truncated", None, None),
        "old.pt": ("broken", "unsafe-pickle", None, None),
    }
    assert "checkpoint" in str(found["wrong/model.safetensors"][2])


def test_the_details_of_a_good_file_are_all_there(tell: Run, library: Path) -> None:
    row = tell("list", library, "--json", "--search", "gold", "--limit", 2).rows[-1]
    assert row["path"] == str(library / "gold.safetensors")
    assert (row["name"], row["root"]) == ("gold", str(library))
    assert row["candidates"] == ["loradex-demo"]
    assert row["confidence"] == "high"
    assert row["evidence"]
    assert row["types"] == {"lora": 66}
    assert (row["rank"], row["ranks"]) == (4, {"4": 66})
    assert row["components"] == {"unet": {"modules": 48}, "text_encoder": {"modules": 18}}
    assert set(row["layouts"]) == {"kohya_flat_te", "kohya_flat_diffusers"}
    assert (row["trigger_words"], row["preferred_strength"]) == (["golden"], 0.8)
    assert (row["sha256"], row["tensor_sha256"]) == (None, None)
    assert row["size_bytes"] == (library / "gold.safetensors").stat().st_size
    assert row["preview"] == "gold.preview.png"
    assert row["metadata"]["modelspec.title"] == "Golden"
    assert row["sources"]["trigger_words"] == "gold.json"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--search", "ink"], {"sd1/ink", "xl/ink"}),
        (["--search", "golden"], {"gold", "copies/gold copy"}),
        (["--search", "夜"], {"Ünï ✨/夜 [v2] (final)"}),
        (["--search", "nothing like it"], set()),
        (["--family", "sdxl"], {"xl/ink"}),
        (["--family", "sdxl", "--family", "sd1"], {"sd1/ink", "xl/ink"}),
        (["--type", "loha"], {"Ünï ✨/夜 [v2] (final)"}),
        (["--status", "not_a_lora"], {"wrong/model"}),
        (["--folder", "sd1"], {"sd1/ink"}),
        (["--folder", "./sd1/"], {"sd1/ink"}),
        (["--fault"], {"wrong/model", "empty", "page", "cut", "old.pt"}),
        (["--favourite"], set()),
        (["--tag", "none"], set()),
    ],
)  # fmt: skip
def test_filters_keep_what_they_say(
    options: list[str], expected: set[str], tell: Run, library: Path
) -> None:
    found = tell("list", library, "--json", *options).ids
    assert {name.removesuffix(".safetensors") for name in found} == expected


def test_sorting_and_limits(tell: Run, library: Path) -> None:
    sizes = [row["size_bytes"] for row in tell("list", library, "--json", "--sort", "size").rows]
    assert sizes == sorted(sizes)
    largest = tell("list", library, "--json", "--sort", "size", "--descending", "--limit", 1)
    assert largest.ids == ["wrong/model.safetensors"]


def test_a_checkpoint_gives_each_file_its_verdict(tell: Run, library: Path) -> None:
    told = tell("list", library, "--json", "--checkpoint", "demo")
    verdicts = {row["id"]: row["verdict"] for row in told.rows}
    assert verdicts["gold.safetensors"] == "fits"
    assert verdicts["xl/ink.safetensors"] == "no_effect"
    assert verdicts["empty.safetensors"] == "broken"
    fitting = tell("list", library, "--json", "--checkpoint", "demo", "--verdict", "fits")
    assert len(fitting.ids) == 3
    assert "no effect" in tell("list", library, "--checkpoint", "demo").out


def test_people_see_names_as_prompts_use_them(tell: Run, library: Path) -> None:
    told = tell("list", library)
    assert told.err == ""
    assert "copies/gold copy " in told.out
    assert "Ünï ✨/夜 [v2] (final) " in told.out
    assert "None" not in told.out
    assert told.out.splitlines()[-1] == "10 files, 5 with a fault ('doctor' explains them)"


@pytest.mark.parametrize("columns", [40, 80, 140])
def test_no_line_is_wider_than_the_terminal_and_no_name_is_lost(
    columns: int, tell: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rich.cells import cell_len

    name = "a style that somebody uploaded with everything in its title-v1.2_final-000010"
    write(tmp_path / f"{name}.safetensors", network("sd1"))
    write(tmp_path / f"{'名' * 60}.safetensors", network("sd1"))
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = tell("list", tmp_path).out.splitlines()
    assert max(cell_len(line) for line in lines) <= columns
    text = "".join(line[:columns].split("  ")[0] for line in lines).replace(" ", "")
    assert name.replace(" ", "") in text
    assert "名" * 60 in text


def test_piped_each_file_is_one_line(tell: Run, library: Path) -> None:
    assert len(tell("list", library).out.splitlines()) == 1 + 10 + 1


def test_an_empty_folder_has_no_table(tell: Run, tmp_path: Path) -> None:
    assert tell("list", tmp_path).out == "0 files\n"
    assert tell("list", tmp_path, "--json").out == ""


def test_files_and_folders_can_be_mixed(tell: Run, library: Path) -> None:
    told = tell("list", library / "sd1", library / "gold.safetensors", "--json")
    assert told.ids == ["ink.safetensors", "gold.safetensors"]


def test_paths_may_be_relative_or_begin_with_the_home_folder(
    tell: Run, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(library)
    monkeypatch.setenv("HOME", str(library))
    monkeypatch.setenv("USERPROFILE", str(library))
    whole = tell("list", library / "sd1", "--json").out
    assert whole
    assert tell("list", "sd1", "--json").out == whole
    assert tell("list", "./xl/../sd1", "--json").ids == ["ink.safetensors"]
    assert tell("list", "~/sd1", "--json").out == whole
    assert tell("list", "--lora-dir", "~/sd1", "--json").out == whole


def test_a_bad_path_is_told_and_hides_nothing(tell: Run, library: Path) -> None:
    told = tell("list", "nowhere", library / "sd1", library / "gold.json")
    assert told.code == 2
    assert "sd1" in told.out
    assert told.err.splitlines() == [
        "error: nowhere: no such file or folder. Check the path.",
        f"error: {library / 'gold.json'}: it has not the name of a model file; expected"
        " .safetensors or .pt or .ckpt or .bin. 'inspect' and 'doctor' look at any file.",
    ]
    rows = tell("list", "nowhere", library / "sd1", "--json").rows
    assert [row["path"] for row in rows] == ["nowhere", str(library / "sd1" / "ink.safetensors")]
    assert rows[0]["error"]["subject"] == "nowhere"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--family", "sdx"], "--family: 'sdx' is no family. Did you mean 'sdxl'?"),
        (["--verdict", "fits"], "expected --checkpoint too"),
        (["--limit", "0"], "'0' is no whole number from 1"),
        (["--status", "bad"], "invalid choice: 'bad'"),
        (["--lora-dir", "nowhere"], "nowhere: no such folder"),
        (["--checkpoint", "gone.safetensors"], "gone.safetensors: "),
        (["--colour"], "unrecognized arguments: --colour"),
    ],
)  # fmt: skip
def test_bad_options_are_one_line(
    options: list[str], words: str, tell: Run, tmp_path: Path
) -> None:
    where = [] if "--lora-dir" in options else ["--lora-dir", tmp_path]
    told = tell("list", *where, *options)
    assert (told.code, told.out) == (2, "")
    assert words in told.err
    assert told.err.count("\n") == 1
    told = tell("list", *where, *options, "--json")
    assert words in json.loads(told.out)["error"]["message"]


def test_a_home_that_cannot_be_written_is_one_line(tell: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told = tell("list", tmp_path, "--home", tmp_path / "file")
    assert (told.code, told.out) == (2, "")
    assert "the index cannot be kept there" in told.err
    assert "--home" in told.err


def test_home_keeps_the_index(tell: Run, library: Path, tmp_path: Path) -> None:
    tell("list", library, "--home", tmp_path / "mine")
    assert len(list((tmp_path / "mine").rglob("catalog.sqlite"))) == 1


def test_what_is_away_is_offline_and_what_never_was_there_is_an_error(
    tell: Run, library: Path
) -> None:
    tell("list", "--lora-dir", library)
    library.rename(library.with_name("unplugged"))
    told = tell("list", "--lora-dir", library, "--json")
    assert told.code == 0
    assert {row["presence"] for row in told.rows} == {"offline"}
    assert "offline" in tell("list", "--lora-dir", library).out
    shutil.move(library.with_name("unplugged"), library)
    assert {row["presence"] for row in tell("list", "--lora-dir", library, "--json").rows} == {
        "present"}


def test_metadata_that_would_steer_a_terminal_is_made_harmless(tell: Run, tmp_path: Path) -> None:
    write(tmp_path / "a.safetensors", network("sd1"),
          {"modelspec.trigger_phrase": "red\x1b[2J\u202eevil"})
    out = tell("list", tmp_path).out
    assert "red" in out
    assert out.replace("\n", "").isprintable()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_names_that_would_steer_a_terminal_are_made_harmless(tell: Run, tmp_path: Path) -> None:
    (tmp_path / "b\x1b[31m\n.safetensors").write_bytes(b"")
    assert tell("list", tmp_path).out.replace("\n", "").isprintable()
    assert tell("doctor", tmp_path).out.replace("\n", "").isprintable()
    assert tell("inspect", tmp_path).out.replace("\n", "").isprintable()
    assert "b\x1b[31m\n" in [row["name"] for row in tell("list", tmp_path, "--json").rows]
