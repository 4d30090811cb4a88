"""Curves, hires strengths and block weights in the fake WebUI, through its own callbacks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

for needed in ("torch", "fastapi", "httpx"):
    pytest.importorskip(needed)

import torch  # noqa: E402

from tests.webui.fakehost import FakeWebUI, Result, write_lora  # noqa: E402
from tests.webui.installed import applied, session, webui_with_loradex  # noqa: E402

pytestmark = pytest.mark.torch

UNET = "input_blocks.1.1.proj_in.weight"
PRESETS = "MINE:0,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1\n"
EXTENSION = ("other-name", {"scripts/lora_block_weight.py": "",
                            "scripts/lbwpresets.txt": PRESETS})


@pytest.fixture
def webui(tmp_path: Path) -> Iterator[FakeWebUI]:
    made = webui_with_loradex(
        tmp_path, EXTENSION, checkpoints={"first": ("sd1", 1), "second": ("sd1", 2)})
    for seed, name in enumerate("ab"):
        write_lora(made.lora_dir / f"{name}.safetensors", seed=seed, contains="proj")
    with made:
        yield made


class Seen:
    """A weight of the denoiser at each of its calls, when its last layer is about to compute."""

    def __init__(self, webui: FakeWebUI) -> None:
        self.webui = webui
        self.weights: list[torch.Tensor] = []
        webui.module("script_callbacks").on_cfg_denoiser(self.look)

    def look(self, _: Any) -> None:
        denoiser = self.webui.sd_model.model.diffusion_model

        def note(*_: Any) -> None:
            self.weights.append(denoiser.get_parameter(UNET).detach().clone())
            hook.remove()

        hook = denoiser.out.register_forward_pre_hook(note)

    def run(self, prompt: str, **fields: Any) -> tuple[Result, list[torch.Tensor]]:
        self.weights = []
        result = self.webui.txt2img(prompt, **fields)
        return result, self.weights


def same(found: list[torch.Tensor], expected: list[torch.Tensor]) -> bool:
    return len(found) == len(expected) and all(
        torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def at(seen: Seen, *strengths: float) -> list[torch.Tensor]:
    """The weight with constant strengths."""
    return [seen.run(f"cat <lora:a:1:{one}>", steps=1)[1][0] for one in strengths]


def test_a_curve_is_followed_step_by_step_and_leaves_nothing(webui: FakeWebUI) -> None:
    """`sampling_step` lags one behind in the WebUI; a step must have its own value all the same."""
    base, weights = webui.txt2img("cat", steps=5).picture, webui.weights()
    seen = Seen(webui)
    expected = at(seen, 0, 0.25, 0.5, 0.75, 1)
    result, found = seen.run("cat <lora:a:1:0@0,1@1>", steps=5)
    assert same(found, expected)
    assert "unet=0@0,1@1" in result.infotext
    assert applied(webui)["applied"][0]["options"] == ["unet=0@0,1@1"]
    _, found = seen.run("cat <lora:a:1:start=2:stop=4>", steps=5)
    assert same(found, [expected[0], expected[0], expected[4], expected[4], expected[0]])
    assert webui.txt2img("cat", steps=5).picture == base
    after = webui.weights()
    assert all(torch.equal(after[name], weights[name]) for name in weights)


def test_a_curve_that_is_nowhere_above_zero_gives_the_picture_without(webui: FakeWebUI) -> None:
    base = webui.txt2img("cat").picture
    assert webui.txt2img("cat <lora:a:0:0@0,0@1>").picture == base
    assert webui.txt2img("cat <lora:a:0@0,1@1:unet=0>").picture == base
    full = webui.txt2img("cat <lora:a:1>").picture
    assert webui.txt2img("cat <lora:a:1:1@0,1@1>").picture == full != base


def test_the_second_pass_has_strengths_of_its_own(webui: FakeWebUI) -> None:
    """The conditionings too: the WebUI caches those of the first pass under the same tags."""
    hires = {"enable_hr": True, "steps": 2}
    own = webui.txt2img("cat <lora:a:1:hr=0.5>", **hires)
    wanted = webui.txt2img("cat <lora:a:1>", hr_prompt="cat <lora:a:0.5>", **hires)
    assert own.picture == wanted.picture
    assert own.picture != webui.txt2img("cat <lora:a:1>", **hires).picture
    assert webui.txt2img("cat <lora:a:1:hr=0.5>", **hires).picture == own.picture
    seen = Seen(webui)
    low, half, full = at(seen, 0, 0.5, 1)
    _, found = seen.run("cat <lora:a:1:0@0,1@1:hrunet=1@0,0.5@1>", **hires)
    assert same(found, [low, full, full, half])
    _, found = seen.run("cat <lora:a:1:0@0,1@1>", **hires)
    assert same(found, [low, full, low, full])


def test_a_refiner_goes_on_where_the_run_is(webui: FakeWebUI) -> None:
    seen = Seen(webui)
    (base,) = at(seen, 0)
    webui.switch_checkpoint("second")
    expected = at(seen, 0, 0.25, 0.5, 0.75, 1)
    webui.switch_checkpoint("first")
    _, found = seen.run("cat <lora:a:1:0@0,1@1>", steps=5, refiner_checkpoint="second",
                        refiner_switch_at=0.5)
    assert torch.equal(found[0], base)
    assert same(found[3:], expected[3:])


@pytest.mark.parametrize("tag", ["<lora:a:1:lbw=NIX>", "<lora:a:1:lbw=1,0,1>",
                                 "<lora:a:1:lbwe=NIX>", "<lora:a:0@x>", "<lora:a:1:stop=x>"])
def test_a_bad_value_leaves_that_lora_out_alone_and_says_why(webui: FakeWebUI, tag: str) -> None:
    alone = webui.txt2img("cat <lora:b:1>").picture
    result = webui.txt2img(f"cat {tag}<lora:b:1>")
    assert result.picture == alone
    assert "a  skipped:" in result.infotext
    assert "expected" in result.comments or "no " in result.comments
    webui.set("loradex_strict", True)
    with pytest.raises(Exception, match="lora:a"):
        webui.txt2img(f"cat {tag}<lora:b:1>")


def test_presets_are_read_where_the_block_weight_extension_keeps_them(
    webui: FakeWebUI, tmp_path: Path
) -> None:
    """Its file may change between two pictures, and with it what the prompt is encoded with."""
    without_text = webui.txt2img("cat <lora:a:1:lbw=MINE>").picture
    assert without_text == webui.txt2img("cat <lora:a:te=0:unet=1:lbw=ALL>").picture
    file = next(tmp_path.rglob("lbwpresets.txt"))
    file.write_text("MINE:0.50,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1\n")
    assert webui.txt2img("cat <lora:a:1:lbw=MINE>").picture == webui.txt2img(
        "cat <lora:a:te=0.5:unet=1:lbw=ALL>").picture
    (webui.lora_dir / "lbwpresets.txt").write_text("MINE:" + ",".join("0" * 17))
    silent = webui.txt2img("cat <lora:a:1:lbw=MINE>").picture
    assert silent not in (without_text, webui.txt2img("cat <lora:a:1>").picture)


def test_reload_ui_leaves_one_callback_that_works(webui: FakeWebUI) -> None:
    before = webui.txt2img("cat <lora:a:0@0,1@1>", steps=3).picture
    webui.reload()
    callbacks = webui.module("script_callbacks").callback_map["callbacks_cfg_denoiser"]
    assert len([one for one in callbacks
                if one.callback.__module__.startswith("loradex.")]) == 1
    assert webui.txt2img("cat <lora:a:0@0,1@1>", steps=3).picture == before


def test_without_a_schedule_a_step_asks_nothing_of_the_model(
    webui: FakeWebUI, monkeypatch: pytest.MonkeyPatch
) -> None:
    applier = session(webui).applier
    webui.txt2img("cat <lora:a:1:lbw=MIDD>")
    monkeypatch.setattr(applier, "step", None)
    webui.txt2img("cat <lora:a:1:lbw=MIDD>")
    assert not applier.manager.moves


@pytest.mark.parametrize("flags", [[], ["lowvram"]], ids=["resident", "lowvram"])
def test_the_text_encoder_reads_the_second_prompt_with_its_own_strength(
    tmp_path: Path, flags: list[str]
) -> None:
    """With lowvram the WebUI encodes it ahead of the first pass."""
    made = webui_with_loradex(tmp_path, flags=flags)
    write_lora(made.lora_dir / "a.safetensors")
    with made as webui:
        fields = {"enable_hr": True, "hr_prompt": "cat"}
        without = webui.txt2img("cat <lora:a:te=1:unet=0>", **fields).picture
        del fields["hr_prompt"]
        assert webui.txt2img("cat <lora:a:te=1:unet=0:hr=0>", **fields).picture == without
        assert webui.txt2img("cat <lora:a:te=1:unet=0>", **fields).picture != without
