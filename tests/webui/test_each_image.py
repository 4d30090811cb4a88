"""A batch whose prompts name other LoRAs, in the fake WebUI: each image has its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

for needed in ("torch", "fastapi", "httpx"):
    pytest.importorskip(needed)

import numpy as np  # noqa: E402
from loradex.webui.each_image import read_again  # noqa: E402

from tests.webui.fakehost import FakeWebUI, Result, write_lora  # noqa: E402
from tests.webui.installed import applied, webui_with_loradex  # noqa: E402

pytestmark = pytest.mark.torch

QUIET = {"steps": 1, "cfg_scale": 1.5}
"""The toy's weights are random: every step and all guidance multiply the last bit's difference."""
PROMPTS = ["a cat <lora:a:1>", "a cat <lora:b:0.5>", "a cat", "a dog <lora:b:1> <lora:a:0.3>"]


@pytest.fixture
def webui(tmp_path: Path) -> Iterator[FakeWebUI]:
    made = webui_with_loradex(
        tmp_path, checkpoints={"first": ("sd1", 1), "second": ("sd1", 2)})
    for seed, name in enumerate("ab"):
        write_lora(made.lora_dir / f"{name}.safetensors", seed=seed)
    with made:
        yield made


def batch(webui: FakeWebUI, prompts: Sequence[str], **fields: Any) -> Result:
    return webui.txt2img(list(prompts), **{**QUIET, "batch_size": len(prompts), **fields})


def alone(webui: FakeWebUI, prompts: Sequence[str], **fields: Any) -> list[Result]:
    """Each prompt as a run of its own, with the seed that it has in the batch."""
    return [webui.txt2img(one, **{**QUIET, **fields, "seed": 1 + place})
            for place, one in enumerate(prompts)]


def far(one: bytes, other: bytes) -> float:
    values = [np.frombuffer(picture, np.float32) for picture in (one, other)]
    return float(np.abs(values[0] - values[1]).max())


def assert_same(found: Result, expected: Sequence[Result], bound: float = 1e-5) -> None:
    assert len(found.pictures) == len(expected)
    for place, one in enumerate(expected):
        assert far(found.pictures[place], one.picture) <= bound, place


class WithoutNegatives:
    """A job of Forge's where CFG is 1: it reads no negative prompts."""

    def __init__(self, prompts: list[str]) -> None:
        self.prompts, self.negative_prompts = prompts, ["blurry"] * len(prompts)
        self.uc = None

    def setup_conds(self) -> None:
        self.c = SimpleNamespace(batch=[f"{one} as read" for one in self.prompts])


def test_a_job_that_reads_no_negative_prompts_has_its_others_read_again() -> None:
    encoded: list[int] = []
    given = SimpleNamespace(batch=["", ""])
    read_again(WithoutNegatives(["a cat", "a dog"]), given, None, encoded.append)
    assert given.batch == ["a cat as read", "a dog as read"]
    assert encoded == [0, 1]


@pytest.mark.parametrize("fields", [{}, {"enable_hr": True}], ids=("one pass", "hires"))
def test_each_image_is_the_one_that_its_prompt_makes_alone(
    webui: FakeWebUI, fields: dict[str, Any]
) -> None:
    expected = alone(webui, PROMPTS, **fields)
    found = batch(webui, PROMPTS, **fields)
    assert_same(found, expected)
    others = batch(webui, [PROMPTS[0]] * 4, **fields)
    assert far(found.pictures[1], others.pictures[1]) > 1e-2
    for place, one in enumerate(expected):
        assert [part for part in found.infotexts[place].split(", ") if "Lora" in part] == [
            part for part in one.infotext.split(", ") if "Lora" in part]


def test_a_network_that_only_reads_the_prompt_is_each_image_s_own_too(webui: FakeWebUI) -> None:
    prompts = ["a cat <lora:a:te=1:unet=0>", "a cat <lora:b:te=1:unet=0>", "a cat"]
    assert_same(batch(webui, prompts), alone(webui, prompts))


def test_a_schedule_moves_one_image_alone(webui: FakeWebUI) -> None:
    prompts = ["a cat <lora:a:1:stop=2>", "a cat <lora:a:1>", "a cat <lora:b:1:0@0,1@1>"]
    assert_same(batch(webui, prompts, steps=4), alone(webui, prompts, steps=4), 1e-3)
    first = webui.txt2img(prompts[1], steps=4, cfg_scale=1.5).picture
    assert far(first, batch(webui, prompts, steps=4).pictures[0]) > 1e-2


def test_the_second_pass_has_strengths_of_its_own_for_each_image(webui: FakeWebUI) -> None:
    prompts = ["a cat <lora:a:1:hr=0.2>", "a cat <lora:a:1>"]
    assert_same(batch(webui, prompts, enable_hr=True), alone(webui, prompts, enable_hr=True))


def test_several_batches_tell_every_picture_its_own(webui: FakeWebUI) -> None:
    prompts = [*PROMPTS[:2], "a cat <lora:b:1>", "a cat <lora:b:1>", *PROMPTS[:2][::-1]]
    found = webui.txt2img(prompts, batch_size=2, n_iter=3, **QUIET)
    assert_same(found, alone(webui, prompts))
    names = ["a" if "Loradex: a" in text else "b" for text in found.infotexts]
    assert names == ["a", "b", "b", "b", "b", "a"]


def test_the_next_run_is_as_if_the_batch_had_not_been(webui: FakeWebUI) -> None:
    weights = webui.weights()
    before = [webui.txt2img(prompt).picture for prompt in ("a cat <lora:a:1>", "a cat")]
    batch(webui, PROMPTS)
    after = [webui.txt2img(prompt).picture for prompt in ("a cat <lora:a:1>", "a cat")]
    assert after == before
    assert all((weights[name] == one).all() for name, one in webui.weights().items())


def test_what_cannot_be_used_is_told_for_its_image_and_stops_no_other(webui: FakeWebUI) -> None:
    prompts = ["a cat <lora:a:1>", "a cat <lora:gone:1> <lora:b:1:x=1>", "a cat <lora:b:1>"]
    expected = alone(webui, prompts)
    found = batch(webui, prompts)
    assert "image 2: gone" in found.comments
    assert "image 1" not in found.comments
    assert_same(found, expected)
    assert {row["name"] for row in applied(webui)["applied"]} >= {"a", "b", "gone"}
    webui.set("loradex_strict", True)
    with pytest.raises(Exception, match=r"x=1|gone"):
        batch(webui, prompts)


@pytest.mark.parametrize("fields", [{"refiner_checkpoint": "second", "refiner_switch_at": 0.5},
                                    {"prompt": "AND"}], ids=("refiner", "AND"))
def test_where_it_is_not_possible_the_first_prompt_s_are_used_and_it_is_said(
    webui: FakeWebUI, fields: dict[str, Any]
) -> None:
    joined = " AND a dog" if fields.pop("prompt", "") else ""
    prompts = [f"a cat <lora:a:1>{joined}", f"a cat <lora:b:1>{joined}"]
    found = batch(webui, prompts, **fields)
    assert "those of the first are on all of them" in found.comments
    assert "Loradex: a" in found.infotexts[1]


REWRITING = """
from modules import scripts
class Rewrites(scripts.Script):
    def title(self): return "rewrites"
    def show(self, is_img2img): return scripts.AlwaysVisible
    def before_process_batch(self, p, *args, **kwargs):
        p.prompts = [f"a bird <lora:{name}:1>" for name in "ab"[:len(p.prompts)]]
"""


def test_it_is_said_even_where_the_first_prompt_has_none(webui: FakeWebUI) -> None:
    found = batch(webui, ["a cat AND a dog", "a cat AND a dog <lora:b:1>"])
    assert "those of the first are on all of them" in found.comments


def test_a_batch_that_a_script_rewrote_has_the_tags_of_its_first_prompt(tmp_path: Path) -> None:
    other = ("rewriting", {"scripts/rewrites.py": REWRITING})
    made = webui_with_loradex(tmp_path, other)
    for seed, name in enumerate("ab"):
        write_lora(made.lora_dir / f"{name}.safetensors", seed=seed)
    with made as webui:
        found = batch(webui, PROMPTS[:2])
        assert all("Loradex: a" in text for text in found.infotexts)


def test_the_script_is_there_once_and_shows_nothing(webui: FakeWebUI) -> None:
    for runner in ("scripts_txt2img", "scripts_img2img"):
        scripts = getattr(webui.module("scripts"), runner).alwayson_scripts
        (own,) = [one for one in scripts if one.title() == "Loradex"]
        assert not own.ui(False)
