"""`inspect`, `check` and `doctor`: what a file is, whether it fits, what is wrong with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from loradex.compat.families import family

from standalone.demo import DEMO_LORAS
from tests.standalone.libraries import Run, checkpoint, demo, network, write

GOLD = "gold.safetensors"


class TestInspect:
    def test_people_see_what_it_is_and_who_says_so(self, tell: Run, library: Path) -> None:
        told = tell("inspect", library / GOLD)
        assert (told.code, told.err) == (0, "")
        lines = [" ".join(line.split()) for line in told.out.splitlines()]
        assert lines[0] == GOLD
        assert "family loradex-demo (confidence: high)" in lines
        assert "type lora (66 modules)" in lines
        assert "trigger words golden gold.json" in lines
        assert "preferred strength 0.8 gold.json" in lines
        assert "title Golden metadata" in lines
        assert "None" not in told.out
        assert all(line == line.rstrip() for line in told.out.splitlines())

    def test_programs_get_the_sources_and_all_tensors(self, tell: Run, library: Path) -> None:
        row = tell("inspect", library / GOLD, "--json", "--keys").row
        assert row["fields"]["trigger_words"] == {"value": ["golden"], "source": "gold.json"}
        assert row["previews"] == ["gold.preview.png"]
        assert row["unknown_keys"] == []
        assert len(row["keys"]) == sum(row["layouts"].values())
        assert all(set(one) == {"dtype", "shape"} for one in row["keys"].values())
        assert "keys" not in tell("inspect", library / GOLD, "--json").row

    def test_people_can_list_the_tensors_too(self, tell: Run, library: Path) -> None:
        told = tell("inspect", library / "sd1" / "ink.safetensors", "--keys")
        assert "lora_down.weight" in told.out
        assert "4 x 320" in told.out
        assert "scalar" in told.out

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("empty.safetensors", "The file is empty"),
            ("page.safetensors", "It is a web page"),
            ("cut.safetensors", "The file is cut"),
            ("old.pt", "fault: "),
            ("wrong/model.safetensors", "This is no LoRA"),
            ("loading.safetensors.part", "unfinished download"),
            ("gold.json", "fault: "),
            ("gold.preview.png", "It is a PNG picture"),
        ],
    )
    def test_any_file_is_told_what_it_is_whatever_its_name(
        self, name: str, words: str, tell: Run, library: Path
    ) -> None:
        told = tell("inspect", library / name)
        assert (told.code, told.err) == (0, "")
        assert words in told.out
        assert "None" not in told.out
        row = tell("inspect", library / name, "--json").row
        assert row["fault"]
        assert row["message"].endswith(".")
        assert row["next_step"]
        assert row["family"] is None

    def test_a_name_means_what_it_means_in_a_prompt(self, tell: Run, library: Path) -> None:
        for name in ("gold", "gold.safetensors", "GOLD"):
            assert tell("inspect", name, "--lora-dir", library, "--json").ids == [GOLD]
        told = tell("inspect", "ink", "--lora-dir", library)
        assert told.code == 2
        assert "'sd1/ink', 'xl/ink'" in told.err
        told = tell("inspect", "golt", "--lora-dir", library)
        assert told.err == (
            f"error: golt: no such file, and no network of that name in {library}."
            " Did you mean 'gold'?\n")

    def test_a_folder_means_all_its_files(self, tell: Run, library: Path) -> None:
        assert len(tell("inspect", library, "--json").rows) == 10
        assert tell("inspect", library / "xl", library / GOLD, "--json").ids == [
            "ink.safetensors", GOLD]

    @pytest.mark.parametrize(
        "word", ["gone.safetensors", "./gone", "gone/x.safetensors", "~/gone.pt", "a" * 300, "..x"]
    )
    def test_a_bad_word_is_one_line_that_names_it_and_hides_nothing(
        self, word: str, tell: Run, library: Path
    ) -> None:
        told = tell("inspect", word, library / GOLD, "--lora-dir", library)
        assert told.code == 2
        assert told.err.startswith(f"error: {word}: no such file")
        assert told.err.count("\n") == 1
        assert GOLD in told.out
        bad, good = tell("inspect", word, library / GOLD, "--lora-dir", library, "--json").rows
        assert (bad["path"], good["id"]) == (word, GOLD)
        assert word in bad["error"]["message"]

    def test_your_own_words_are_shown_for_a_path_in_your_folders(
        self, tell: Run, library: Path
    ) -> None:
        where = ("--lora-dir", library)
        assert tell("organise", "edit", "gold", "--family", "sd1", "--favourite", *where).code == 0
        row = tell("inspect", library / GOLD, "--json", *where).row
        assert (row["family"], row["confidence"], row["favourite"]) == ("sd1", "user", True)
        out = tell("inspect", library / GOLD, *where).out
        assert "sd1 (your own word, the file says loradex-demo)" in out
        assert "a star" in out
        assert tell("inspect", library / GOLD, "--json").row["family"] == "loradex-demo"


@pytest.fixture(scope="module")
def sd1_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("models") / "v1-5.safetensors", checkpoint("sd1"))


@pytest.fixture
def sdxl_folder(tmp_path: Path) -> Path:
    """A diffusers folder: configurations alone."""
    folder = tmp_path / "sdxl"
    unet = family("sdxl").parts[0]
    for part in ("unet", "scheduler"):
        (folder / part).mkdir(parents=True)
    (folder / "model_index.json").write_text(json.dumps({
        "_class_name": "StableDiffusionXLPipeline", "unet": ["diffusers", "UNet2DConditionModel"],
        "scheduler": ["diffusers", "EulerDiscreteScheduler"]}))
    (folder / "unet" / "config.json").write_text(
        json.dumps({"_class_name": unet.class_name, **unet.config}))
    (folder / "scheduler" / "scheduler_config.json").write_text(
        json.dumps({"_class_name": "EulerDiscreteScheduler", "prediction_type": "v_prediction"}))
    return folder


class TestCheck:
    def test_a_network_of_that_family_fits(self, tell: Run, library: Path, sd1_file: Path) -> None:
        row = tell("check", library / "sd1" / "ink.safetensors", "--checkpoint", sd1_file,
                   "--json").row
        assert (row["verdict"], row["confidence"]) == ("fits", "high")
        unet = row["components"]["unet"]
        assert unet["named"] == unet["shape_ok"] == unet["total"] > 100
        assert (unet["missing"], unet["applied"], unet["reason"]) == (0, True, None)
        assert row["reasons"]
        assert row["checkpoint"]["family"] == "sd1"
        assert row["checkpoint"]["path"] == str(sd1_file)

    def test_a_network_of_another_family_has_no_effect_and_the_reason_is_told(
        self, tell: Run, library: Path, sd1_file: Path
    ) -> None:
        ink = library / "xl" / "ink.safetensors"
        row = tell("check", ink, "--checkpoint", sd1_file, "--json").row
        assert row["verdict"] == "no_effect"
        assert "SDXL" in row["reasons"][0]
        assert row["components"]["unet"]["applied"] is False
        out = tell("check", ink, "--checkpoint", sd1_file).out
        assert "ink.safetensors: no effect  unet " in out
        assert row["reasons"][0] in out

    def test_a_folder_of_a_model_is_a_checkpoint_too(
        self, tell: Run, library: Path, sdxl_folder: Path
    ) -> None:
        row = tell("check", library / "xl" / "ink.safetensors", "--checkpoint", sdxl_folder,
                   "--json").row
        assert row["verdict"] == "fits"
        assert row["checkpoint"]["prediction_type"] == "v_prediction"

    def test_broken_files_and_other_models_are_told_apart(
        self, tell: Run, library: Path
    ) -> None:
        rows = tell("check", library, "--checkpoint", "demo", "--json").rows
        verdicts = {row["id"]: row["verdict"] for row in rows}
        assert verdicts["page.safetensors"] == "broken"
        assert verdicts["wrong/model.safetensors"] == "no_effect"
        assert verdicts["Ünï ✨/夜 [v2] (final).safetensors"] == "fits"
        assert all(row["reasons"] for row in rows)

    def test_exit_codes(self, tell: Run, library: Path) -> None:
        good, bad = DEMO_LORAS / "golden.safetensors", library / "xl" / "ink.safetensors"
        options = ("--checkpoint", "demo")
        assert tell("check", good, bad, *options).code == 0
        assert tell("check", good, *options, "--exit-code").code == 0
        assert tell("check", good, bad, *options, "--exit-code").code == 3
        assert tell("check", good, "gone.pt", *options, "--exit-code").code == 2

    def test_forced_the_family_is_not_looked_at_but_shapes_are(
        self, tell: Run, tmp_path: Path
    ) -> None:
        path = write(tmp_path / "x.safetensors", network("sd1"))
        told = tell("check", path, "--checkpoint", "demo", "--force", "--json")
        assert told.row["verdict"] == "no_effect"
        assert told.row["components"]["unet"]["shape_ok"] == 0

    @pytest.mark.parametrize("content", [None, b"", b"<html>", b"\x10\0\0\0\0\0\0\0{"])
    def test_a_bad_checkpoint_is_one_line(
        self, content: bytes | None, tell: Run, tmp_path: Path
    ) -> None:
        path = tmp_path / "model.safetensors"
        if content is not None:
            path.write_bytes(content)
        told = tell("check", "golden", "--checkpoint", path)
        assert (told.code, told.out) == (2, "")
        assert "model.safetensors: " in told.err
        assert told.err.count("\n") == 1

    def test_without_a_checkpoint_it_asks_for_one(self, tell: Run, tmp_path: Path) -> None:
        told = tell("check", "golden")
        assert told.code == 2
        assert "--checkpoint" in told.err


class TestDoctor:
    def test_every_file_is_told_with_its_fault_or_null(self, tell: Run, library: Path) -> None:
        told = tell("doctor", library, "--json")
        assert told.code == 0
        found = {row["id"]: row["fault"] for row in told.rows}
        assert found == {
            GOLD: None, "copies/gold copy.safetensors": "duplicate", "sd1/ink.safetensors": None,
            "xl/ink.safetensors": None, "Ünï ✨/夜 [v2] (final).safetensors": None,
            "wrong/model.safetensors": "not-a-lora", "empty.safetensors": "empty",
            "page.safetensors": "html-page", "cut.safetensors": "truncated",
            "old.pt": "unsafe-pickle", "loading.safetensors.part": "unfinished",
        }
        for row in told.rows:
            assert [row["fault"]] == [one["fault"] for one in row["findings"]] or (
                row["fault"] is row["message"] is row["next_step"] is None)

    def test_people_see_the_sick_ones_and_what_to_do(self, tell: Run, library: Path) -> None:
        out = tell("doctor", library).out
        assert "page.safetensors\n  html-page: It is a web page" in out
        assert "    Download the model itself" in out
        assert GOLD not in out.splitlines()
        assert out.splitlines()[-1] == "11 files examined, 7 need a look"

    def test_a_healthy_library_is_said_to_be_one(self, tell: Run) -> None:
        told = tell("doctor", DEMO_LORAS, "--exit-code")
        assert (told.code, told.out) == (0, "5 files examined, nothing is wrong\n")

    def test_exit_codes(self, tell: Run, library: Path) -> None:
        assert tell("doctor", library).code == 0
        assert tell("doctor", library, "--exit-code").code == 3
        assert tell("doctor", library, "gone", "--exit-code").code == 2

    def test_any_file_can_be_examined_whatever_its_name(self, tell: Run, library: Path) -> None:
        part, picture = library / "loading.safetensors.part", library / "gold.preview.png"
        told = tell("doctor", part, "gone", picture, library / "xl", "--json")
        assert told.code == 2
        first, gone, second, healthy = told.rows
        assert (first["fault"], second["fault"], healthy["fault"]) == (
            "unfinished", "picture", None)
        assert gone["error"]["subject"] == "gone"

    def test_duplicates_are_told_with_the_one_to_keep(self, tell: Run, library: Path) -> None:
        rows = {row["id"]: row for row in tell("doctor", library, "--json").rows}
        assert rows["copies/gold copy.safetensors"]["fault"] == "duplicate"
        assert GOLD in rows["copies/gold copy.safetensors"]["message"]
        assert rows[GOLD]["fault"] is None

    def test_a_broken_sidecar_is_told_and_the_model_is_listed(
        self, tell: Run, library: Path
    ) -> None:
        (library / "gold.json").write_text("{")
        (row,) = (row for row in tell("doctor", library, "--json").rows if row["id"] == GOLD)
        assert row["fault"] == "broken-sidecar"
        assert "gold.json" in row["message"]

    def test_deep_reads_the_tensors(self, tell: Run, tmp_path: Path) -> None:
        path = demo("golden", tmp_path / "gold.safetensors")
        assert tell("doctor", path, "--deep", "--json").row["fault"] is None
        content = bytearray(path.read_bytes())
        content[-4:] = b"\xff\xff\xff\xff"  # a NaN in fp32, fp16 and bf16
        path.write_bytes(content)
        assert tell("doctor", path, "--json").row["fault"] is None
        deep = tell("doctor", path, "--deep", "--json").row
        assert deep["fault"]
        assert "NaN" in deep["message"]
        assert tell("doctor", tmp_path, "--deep", "--exit-code").code == 3

    def test_a_healthy_loha_passes_the_deep_check(self, tell: Run, tmp_path: Path) -> None:
        shutil.copy(DEMO_LORAS / "night.safetensors", tmp_path / "n.safetensors")
        assert tell("doctor", tmp_path, "--deep", "--exit-code").code == 0
