"""Networks that cannot be applied: the picture without them, and the reason wherever one looks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

for needed in ("torch", "fastapi", "httpx"):
    pytest.importorskip(needed)

import torch  # noqa: E402
from loradex.networks.slots import Slot  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from tests.webui.fakehost import FakeWebUI, write_lora  # noqa: E402
from tests.webui.installed import applied, webui_with_loradex  # noqa: E402

pytestmark = pytest.mark.torch


def with_files(base: Path, **fields) -> FakeWebUI:
    webui = webui_with_loradex(base, **fields)
    folder = webui.lora_dir
    good = write_lora(folder / "good.safetensors").read_bytes()
    for seed, name in enumerate(("one", "two"), 1):
        write_lora(folder / name / "same.safetensors", seed=seed)
    write_lora(folder / "xl.safetensors", "sdxl")
    (folder / "cut.safetensors").write_bytes(good[: len(good) // 2])
    (folder / "garbage.safetensors").write_bytes(b"\xff" * 100)
    (folder / "empty.safetensors").write_bytes(b"")
    tensors = load_file(folder / "good.safetensors")
    half = {key: one for key, one in tensors.items() if "lora_up" not in key}
    save_file(half, folder / "half.safetensors")
    tensors[next(key for key in tensors if "lora_up" in key)][0] = float("nan")
    save_file(tensors, folder / "nan.safetensors")
    save_file({"weight": torch.zeros(2)}, folder / "other.safetensors")
    return webui


@pytest.fixture
def webui(tmp_path: Path) -> Iterator[FakeWebUI]:
    with with_files(tmp_path) as made:
        yield made


BAD = {
    "bad weight": ("<lora:good:abc>", "abc"),
    "weight that is no number": ("<lora:good:nan>", "nan"),
    "no such file": ("<lora:none-such:1>", "none-such"),
    "several of one name": ("<lora:same:1>", "same"),
    "cut off": ("<lora:cut:1>", "cut"),
    "garbage": ("<lora:garbage:1>", "garbage"),
    "empty": ("<lora:empty:1>", "empty"),
    "half of each pair": ("<lora:half:1>", "half"),
    "not a number inside": ("<lora:nan:1>", "nan"),
    "no LoRA": ("<lora:other:1>", "other"),
    "another base model": ("<lora:xl:1>", "xl"),
}


def reasons(webui: FakeWebUI) -> list[str]:
    return [row["skipped"] for row in applied(webui)["applied"] if row["skipped"]]


@pytest.mark.parametrize("case", BAD)
def test_it_is_left_out_alone_and_the_reason_is_the_same_everywhere(
    webui: FakeWebUI, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tag, word = BAD[case]
    base, good = webui.txt2img("cat").picture, webui.txt2img("cat <lora:good:0.6>").picture
    capsys.readouterr()
    with_both = webui.txt2img(f"cat {tag}<lora:good:0.6>")
    assert with_both.picture == good
    assert "good 293/293" in with_both.infotext
    alone = webui.txt2img(f"cat {tag}")
    assert alone.picture == base
    assert "Lora hashes" not in alone.infotext
    (reason,) = reasons(webui)
    # Rows begin with the tag's name, so the reason does not repeat it.
    shown = reason.removeprefix(f"{word}: ")
    assert len(shown) > 10
    assert shown in alone.comments
    told = alone.info["extra_generation_params"]["Loradex"]
    assert shown in told
    assert json.dumps(told, ensure_ascii=False)[1:-1] in alone.infotext
    assert shown in capsys.readouterr().out


def test_the_counts_are_the_same_everywhere(
    webui: FakeWebUI, capsys: pytest.CaptureFixture[str]
) -> None:
    made = webui.txt2img("cat <lora:good:0.6>")
    assert "Loradex: good 293/293" in made.infotext
    assert made.info["extra_generation_params"]["Loradex"] == "good 293/293"
    (row,) = applied(webui)["applied"]
    assert row["components"] == {
        "unet": {"matched": 281, "total": 281}, "te": {"matched": 12, "total": 12}}
    lines = [one for one in capsys.readouterr().out.splitlines() if one.startswith("Loradex")]
    assert len(lines) == 1
    assert "good  unet 281/281  te 12/12" in lines[0]
    assert made.comments == ""


def test_without_a_tag_nothing_is_said(
    webui: FakeWebUI, capsys: pytest.CaptureFixture[str]
) -> None:
    webui.txt2img("cat <lora:good:1>")
    capsys.readouterr()
    plain = webui.txt2img("cat")
    assert "Loradex" not in plain.infotext
    assert plain.comments == ""
    assert "Loradex" not in capsys.readouterr().out
    assert applied(webui)["applied"] == []


def test_one_line_a_generation_however_many_batches(
    webui: FakeWebUI, capsys: pytest.CaptureFixture[str]
) -> None:
    webui.txt2img("cat <lora:good:1>", n_iter=3)
    webui.txt2img("cat <lora:good:1>")  # another run that does the same says so again
    lines = [one for one in capsys.readouterr().out.splitlines() if one.startswith("Loradex")]
    assert len(lines) == 2


def stopped(webui: FakeWebUI, prompt: str, **fields) -> str:
    """The error of a job over the API."""
    answer = webui.api().post("/sdapi/v1/txt2img", json={"prompt": prompt, "seed": 1, **fields})
    assert answer.status_code == 500, answer.text
    return str(answer.json()["errors"])


@pytest.mark.parametrize("case", ["bad weight", "no such file", "cut off", "another base model"])
def test_strict_stops_in_our_words_and_the_next_run_is_right(webui: FakeWebUI, case: str) -> None:
    tag, word = BAD[case]
    base = webui.txt2img("cat").picture
    webui.set("loradex_strict", True)
    error = stopped(webui, f"cat <lora:good:1>{tag}")
    assert word in error
    assert applied(webui)["stopped"] == error
    assert webui.txt2img("cat").picture == base
    webui.txt2img("bird")
    good = webui.txt2img("cat <lora:good:1>")
    assert "Loradex: good 293/293" in good.infotext
    webui.set("loradex_strict", False)
    assert webui.txt2img("cat <lora:good:1>").picture == good.picture


def test_strict_stops_although_the_conditioning_is_in_the_cache(webui: FakeWebUI) -> None:
    webui.txt2img("cat <lora:good:1>")
    (webui.lora_dir / "good.safetensors").unlink()
    webui.set("loradex_strict", True)
    assert "good" in stopped(webui, "cat <lora:good:1>")


def test_strict_stops_the_second_pass_too(webui: FakeWebUI) -> None:
    webui.set("loradex_strict", True)
    error = stopped(
        webui, "cat <lora:good:1>", enable_hr=True, hr_prompt="cat <lora:none-such:1>")
    assert "none-such" in error


def test_forced_what_fits_of_another_base_model_is_applied(webui: FakeWebUI) -> None:
    base = webui.txt2img("cat").picture
    assert webui.txt2img("cat <lora:xl:1>").picture == base
    webui.set("loradex_force", True)
    forced = webui.txt2img("cat <lora:xl:1>")
    matched = [row["components"] for row in applied(webui)["applied"]]
    print(forced.infotext, matched)
    assert forced.picture != base
    webui.set("loradex_force", False)
    assert webui.txt2img("cat <lora:xl:1>").picture == base


class Boom:
    """Raises at the n-th buffer that the engine asks for."""

    def __init__(self, at: int, error: BaseException) -> None:
        self.left, self.error = at, error
        self.original = Slot.new_buffer

    def __call__(self, slot: Slot) -> torch.Tensor:
        self.left -= 1
        if self.left < 0:
            raise self.error
        return self.original(slot)


@pytest.mark.parametrize("at", [0, 150])
def test_out_of_memory_leaves_the_base_and_says_so(
    webui: FakeWebUI, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    webui.set("loradex_base_memory", "graphics card")
    base, weights = webui.txt2img("cat").picture, webui.weights()
    boom = Boom(at, torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB"))
    with monkeypatch.context() as patch:
        patch.setattr(Slot, "new_buffer", lambda slot: boom(slot))
        made = webui.txt2img("cat <lora:good:1>")
    assert made.picture == base
    assert "out of memory" in made.comments
    assert "out of memory" in made.infotext
    assert "Lora hashes" not in made.infotext
    after = webui.weights()
    assert all(torch.equal(after[name], weights[name]) for name in weights)
    again = webui.txt2img("cat <lora:good:1>")
    assert "Loradex: good 293/293" in again.infotext
    assert again.picture != base


@pytest.mark.parametrize("at", [0, 150])
def test_a_card_without_room_for_weights_twice_gets_the_network_all_the_same(
    webui: FakeWebUI, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    weights = webui.weights()
    boom = Boom(at, torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB"))
    with monkeypatch.context() as patch:
        patch.setattr(Slot, "new_buffer", lambda slot: boom(slot))
        full = webui.txt2img("cat <lora:good:1>")
    assert "Loradex: good 293/293" in full.infotext
    webui.txt2img("cat")
    after = webui.weights()
    assert all(torch.equal(after[name], weights[name]) for name in weights)
    assert webui.txt2img("cat <lora:good:1>").picture == full.picture


def test_out_of_memory_in_a_strict_run_stops_it(
    webui: FakeWebUI, monkeypatch: pytest.MonkeyPatch
) -> None:
    webui.set("loradex_strict", True)
    base = webui.txt2img("cat").picture
    boom = Boom(3, MemoryError("no memory"))
    with monkeypatch.context() as patch:
        patch.setattr(Slot, "new_buffer", lambda slot: boom(slot))
        assert "Every weight was restored" in stopped(webui, "cat <lora:good:1>")
    assert webui.txt2img("cat").picture == base


def test_a_bug_in_the_engine_is_no_reason_for_a_wrong_picture(
    webui: FakeWebUI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The WebUI prints what `activate` raises and goes on: the picture must be the base's."""
    base = webui.txt2img("cat").picture
    webui.txt2img("cat <lora:good:1>")
    from loradex.networks.patcher import Patcher

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug of ours")

    with monkeypatch.context() as patch:
        patch.setattr(Patcher, "apply", broken)
        made = webui.txt2img("cat <lora:good:0.5>")
    assert made.picture == base
    assert webui.txt2img("cat").picture == base


def test_the_name_in_a_subfolder_is_found(webui: FakeWebUI) -> None:
    one = webui.txt2img("cat <lora:one/same:1>")
    two = webui.txt2img("cat <lora:two/same:1>")
    assert one.picture != two.picture
    assert "one/same 293/293" in one.infotext


def test_the_wrong_case_is_found(webui: FakeWebUI) -> None:
    assert webui.txt2img("cat <lora:GOOD:1>").picture == webui.txt2img("cat <lora:good:1>").picture
