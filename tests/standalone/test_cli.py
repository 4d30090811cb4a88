"""The command line as a user meets it: one clear line for bad input, whole files or none."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

torch = pytest.importorskip("torch")

from loradex.prompts.infotext import parse_infotext  # noqa: E402
from PIL import Image  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from standalone import cli  # noqa: E402

pytestmark = pytest.mark.torch

ROOT = Path(__file__).parents[2]
QUICK = ("--steps", "1", "--width", "16", "--height", "16", "--seed", "5")


class Outcome(NamedTuple):
    code: int
    out: str
    err: str

    def refused(self) -> str:
        """The one line of a refusal."""
        assert self.code == 2, self
        assert self.out == ""
        assert self.err.count("\n") == 1, self.err
        assert "Traceback" not in self.err
        return self.err.strip()


Run = Callable[..., Outcome]


@pytest.fixture
def run(
    toy_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """`generate` in this process, on the toy, from an empty working directory."""
    monkeypatch.chdir(tmp_path)

    def generate(prompt: str, *options: str) -> Outcome:
        given = ["--checkpoint", str(toy_folder)] if "--checkpoint" not in options else []
        code = cli.main(["generate", prompt, *given, *QUICK, *options])
        return Outcome(code, *capfd.readouterr())

    return generate


def make_lora(path: Path, width: int = 32, context: int = 32, value: float = 0.1) -> Path:
    """A LoRA on one attention of the toy's UNet (`context` wide) and one of its text encoder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for name, out, inp in (
        ("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k", width, context),
        ("lora_te_text_model_encoder_layers_0_self_attn_q_proj", 32, 32),
    ):
        # Not constant: the inputs are normalised, so their plain sum is zero.
        tensors[f"{name}.lora_down.weight"] = torch.arange(2.0 * inp).sin().reshape(2, inp) * value
        tensors[f"{name}.lora_up.weight"] = torch.full((out, 2), value)
        tensors[f"{name}.alpha"] = torch.tensor(2.0)
    save_file(tensors, path)
    return path


def leftovers(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.rglob("*") if entry.is_file())


def test_a_picture_is_written_with_its_infotext_and_the_report_is_printed(
    run: Run, tmp_path: Path
) -> None:
    make_lora(tmp_path / "loras" / "style.safetensors")
    result = run("a cat <lora:style:0.5>", "--lora-dir", "loras", "--negative-prompt", "dog")
    assert result.code == 0, result
    report, path = result.out.splitlines()
    assert report.startswith("style  unet 1/1  te 1/1  ")
    assert path == str(Path("outputs", "00001-5.png"))
    with Image.open(path) as image:
        text = image.info["parameters"]
        assert image.size == (16, 16)
    info = parse_infotext(text)
    assert info.prompt == "a cat <lora:style:0.5>"
    assert info.negative_prompt == "dog"
    assert info.params["Seed"] == "5"
    assert info.params["Loradex"] == "style 2/2"
    assert info.params["Lora hashes"].startswith("style: ")
    assert leftovers(tmp_path / "outputs") == ["00001-5.png"]


def test_json_is_the_only_thing_on_stdout(run: Run, tmp_path: Path) -> None:
    make_lora(tmp_path / "loras" / "style.safetensors")
    result = run("a <lora:style:1> <lora:gone:1>", "--lora-dir", "loras", "--json", "--batch-count",
                 "2")
    told = json.loads(result.out)
    assert [image["seed"] for image in told["images"]] == [5, 6]
    assert all(Path(image["path"]).is_file() for image in told["images"])
    assert told["applied"][0]["components"]["unet"] == {"matched": 1, "total": 1}
    assert "gone" in told["messages"][0]
    assert told["seconds"] > 0


def test_an_error_with_json_is_an_object_too(run: Run) -> None:
    result = run("a", "--json", "--steps", "0")
    assert result.code == 2
    assert json.loads(result.out)["error"]["code"] == "input"
    assert result.err.count("\n") == 1


def test_quiet_prints_the_path_and_still_names_what_was_skipped(run: Run) -> None:
    result = run("a <lora:gone:1>", "--quiet")
    assert result.out == str(Path("outputs", "00001-5.png")) + "\n"
    assert result.err.startswith("note: gone  skipped: ")
    assert result.err.count("\n") == 1


def test_out_replaces_that_file_and_nothing_else(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "mine.png"
    target.parent.mkdir()
    target.write_bytes(b"old")
    assert run("a", "--out", str(target)).code == 0
    with Image.open(target) as image:
        assert image.size == (16, 16)
    assert leftovers(tmp_path) == ["mine.png"]
    assert run("a", "--out", str(target), "--batch-count", "2").code == 0
    assert leftovers(tmp_path) == ["mine-1.png", "mine-2.png", "mine.png"]


def test_numbered_pictures_are_never_replaced(run: Run, tmp_path: Path) -> None:
    kept = tmp_path / "outputs" / "00007-5.png"
    kept.parent.mkdir()
    kept.write_bytes(b"mine")
    run("a")
    assert kept.read_bytes() == b"mine"
    assert leftovers(kept.parent) == ["00007-5.png", "00008-5.png"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--sampler", "Euler b"), "Did you mean 'Euler a'"),
        (("--sampler", "DDIM", "--schedule", "Karras"), "DDIM can follow"),
        (("--width", "130"), "width: 130; expected a multiple of 8 from 16 to 4096. Use 128 or"),
        (("--height", "0"), "height: 0; expected a multiple of 8"),
        (("--width", "8192"), "Use 4096."),
        (("--steps", "0"), "steps: 0; expected a whole number from 1"),
        (("--steps", "many"), "invalid int value: 'many'"),
        (("--cfg-scale", "nan"), "CFG scale: nan"),
        (("--batch-count", "0"), "batch count: 0"),
        (("--clip-skip", "5"), "clip skip: 5; expected at most 3"),
        (("--seed", "-7"), "seed: -7"),
        (("--device", "gpu"), "'gpu'; expected one of cpu, cuda, mps"),
        (("--dtype", "fp8"), "'fp8'; expected one of fp32, fp16, bf16"),
        (("--lora-dir", "nowhere"), "LoRA folder nowhere: no such folder"),
        (("--out", "picture.jpg"), "ends with '.jpg'"),
        (("--stepz", "3"), "unrecognized arguments: --stepz"),
        (("--checkpoint", "gone.safetensors"), "checkpoint gone.safetensors: no such file"),
        (("--checkpoint", "./gone"), "checkpoint ./gone: no such file or folder"),
    ],
)
def test_bad_values_are_one_line_and_leave_nothing(
    options: tuple[str, ...], words: str, run: Run, tmp_path: Path
) -> None:
    assert words in run("a", *options).refused()
    assert leftovers(tmp_path) == []


def test_a_device_that_is_not_there_is_one_line(run: Run) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    assert "--device cuda: torch finds no such device" in run("a", "--device", "cuda").refused()


def test_an_output_folder_that_cannot_be_written_is_told_before_anything_is_loaded(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be written" in run("a", "--output-dir", "file/outputs").refused()
    assert "cannot be written" in run("a", "--out", "file/x.png").refused()
    assert leftovers(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "HTML"),
        (b"\x00" * 4096, "broken.safetensors"),
    ],
)
def test_a_checkpoint_that_is_no_model_is_one_line(
    content: bytes, words: str, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "broken.safetensors").write_bytes(content)
    line = run("a", "--checkpoint", "broken.safetensors").refused()
    assert "broken.safetensors" in line
    assert words in line


def test_a_truncated_checkpoint_is_one_line(run: Run, ldm_folder: Path, tmp_path: Path) -> None:
    whole = (ldm_folder / "sd1.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[:-1000])
    assert "cut.safetensors" in run("a", "--checkpoint", "cut.safetensors").refused()


class _Evil:
    def __reduce__(self) -> object:
        return (os.system, ("touch was-here",))


def test_a_malicious_checkpoint_is_one_line_and_does_nothing(run: Run, tmp_path: Path) -> None:
    torch.save({"state_dict": {"x": _Evil()}}, tmp_path / "evil.ckpt")
    line = run("a", "--checkpoint", "evil.ckpt").refused()
    assert "evil.ckpt" in line
    assert leftovers(tmp_path) == ["evil.ckpt"]


def test_a_folder_with_a_malicious_pickle_is_one_line(
    run: Run, toy_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(toy_folder, folder)
    for weights in (folder / "unet").glob("*.safetensors"):
        weights.unlink()
    torch.save({"x": _Evil()}, folder / "unet" / "diffusion_pytorch_model.bin")
    assert str(folder) in run("a", "--checkpoint", str(folder)).refused()
    assert not (tmp_path / "was-here").exists()


@pytest.mark.parametrize("gone", ["model_index.json", "unet", "text_encoder", "scheduler"])
def test_a_folder_that_lacks_a_part_is_one_line(
    gone: str, run: Run, toy_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(toy_folder, folder)
    if (folder / gone).is_dir():
        shutil.rmtree(folder / gone)
    else:
        (folder / gone).unlink()
    assert str(folder) in run("a", "--checkpoint", str(folder)).refused()


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
@pytest.mark.parametrize("content", [b"", b"<html>", b"\x10\x00\x00\x00\x00\x00\x00\x00{"])
def test_a_folder_with_a_broken_part_is_one_line(
    part: str, content: bytes, run: Run, toy_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(toy_folder, folder)
    next((folder / part).glob("*.safetensors")).write_bytes(content)
    assert str(folder) in run("a", "--checkpoint", str(folder)).refused()


@pytest.mark.parametrize("name", ["unet/config.json", "tokenizer/vocab.json", "model_index.json"])
def test_a_folder_with_a_broken_configuration_is_one_line(
    name: str, run: Run, toy_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(toy_folder, folder)
    (folder / name).write_text("[1]")
    assert str(folder) in run("a", "--checkpoint", str(folder)).refused()


@pytest.fixture
def bad_loras(tmp_path: Path) -> dict[str, str]:
    """Broken files by name, with a word of the reason that each must give."""
    folder = tmp_path / "loras"
    good = make_lora(folder / "good.safetensors").read_bytes()
    (folder / "empty.safetensors").write_bytes(b"")
    (folder / "truncated.safetensors").write_bytes(good[:-50])
    (folder / "page.safetensors").write_bytes(b"<html><body>403</body></html>")
    make_lora(folder / "nan.safetensors", value=float("nan"))
    make_lora(folder / "sdxl.safetensors", width=640, context=2048)
    return {"empty": "empty", "truncated": "truncated", "page": "HTML", "nan": "", "sdxl": "",
            "goood": "Did you mean 'good'"}


def test_each_bad_lora_is_skipped_alone_and_named(
    run: Run, bad_loras: dict[str, str]
) -> None:
    tags = " ".join(f"<lora:{name}:1>" for name in bad_loras)
    result = run(f"a {tags} <lora:good:1>", "--lora-dir", "loras")
    assert result.code == 0, result
    assert "Traceback" not in result.err
    lines = {line.split("  ")[0]: line for line in result.out.splitlines()}
    for name, word in bad_loras.items():
        assert "skipped: " in lines[name], lines
        assert word in lines[name]
    assert lines["good"].startswith("good  unet 1/1  te 1/1")


@pytest.mark.parametrize("name", ["empty", "truncated", "page", "nan", "sdxl", "goood"])
def test_strict_stops_at_a_bad_lora(
    name: str, run: Run, bad_loras: dict[str, str], tmp_path: Path
) -> None:
    line = run(f"a <lora:{name}:1>", "--lora-dir", "loras", "--strict").refused()
    assert name in line
    assert leftovers(tmp_path / "outputs") == []


def test_a_skipped_lora_leaves_the_picture_as_without_it(
    run: Run, bad_loras: dict[str, str], tmp_path: Path
) -> None:
    run("a", "--out", "without.png")
    run("a<lora:sdxl:1>", "--lora-dir", "loras", "--out", "with.png")
    run("a<lora:good:100>", "--lora-dir", "loras", "--out", "good.png")
    pixels = [Image.open(tmp_path / f"{n}.png").tobytes() for n in ("without", "with", "good")]
    assert pixels[0] == pixels[1]
    assert pixels[0] != pixels[2]


def test_an_ambiguous_name_offers_the_shortest_unique_ones(run: Run, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        make_lora(tmp_path / "loras" / folder / "style.safetensors")
    result = run("a <lora:style:1>", "--lora-dir", "loras")
    assert "'one/style'" in result.out
    assert "'two/style'" in result.out
    assert "'one/style'" in run("a <lora:style:1>", "--lora-dir", "loras", "--strict").refused()


def test_a_tag_that_cannot_be_read_is_refused(run: Run) -> None:
    assert "<lora:style:abc>" in run("a <lora:style:abc>").refused()


def test_ctrl_c_ends_with_130_and_no_traceback(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli._Bar, "update", interrupt)
    result = run("a")
    assert (result.code, result.err) == (130, "Stopped.\n")
    assert leftovers(tmp_path) == []


def test_a_fault_of_ours_shows_its_traceback_and_ends_with_1(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli._Bar, "update", fail)
    assert run("a").code == 1
    assert "ZeroDivisionError" in caplog.text


def _python(*words: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join((str(ROOT), str(ROOT / "extension")))
    return subprocess.run(
        [sys.executable, *words], cwd=cwd, text=True, capture_output=True,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", **env})


def test_the_whole_program_keeps_the_libraries_quiet(toy_folder: Path, tmp_path: Path) -> None:
    done = _python("-m", "standalone", "generate", "a", "--checkpoint", str(toy_folder), *QUICK,
                   cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == str(Path("outputs", "00001-5.png")) + "\n"
    said = done.stderr.replace("\r", "\n").splitlines()
    assert [line for line in said if line and "step" not in line] == []


def test_help_and_bad_arguments_answer_without_torch(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom standalone.cli import main\n"
        "codes = [main(['--help']), main(['generate', '--help']), main(['--version']),\n"
        "         main(['generate', 'a', '--steps', 'x'])]\n"
        "from standalone.limits import check_request\n"
        "heavy = {'torch', 'diffusers', 'transformers', 'gradio', 'numpy', 'PIL'}\n"
        "print(codes, heavy & set(sys.modules))\n"
    )
    done = _python("-c", script, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "[0, 0, 0, 2] set()"


def test_an_unknown_sampler_is_refused_without_torch(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom standalone.cli import main\n"
        "print(main(['generate', 'a', '--sampler', 'x']), 'torch' in sys.modules)\n"
    )
    done = _python("-c", script, cwd=tmp_path)
    assert done.stdout == "2 False\n"
    assert done.stderr.count("\n") == 1


def test_a_hub_that_cannot_be_reached_is_one_line(tmp_path: Path) -> None:
    done = _python("-m", "standalone", "generate", "a", "--checkpoint", "no-one/nothing",
                   cwd=tmp_path, HF_ENDPOINT="http://127.0.0.1:9", HF_HOME=str(tmp_path / "hub"))
    assert done.returncode == 2
    assert done.stderr.startswith("error: checkpoint no-one/nothing: cannot be fetched")
    assert done.stderr.count("\n") == 1
