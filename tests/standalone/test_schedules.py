"""Curves, block weights and presets in the standalone: pictures, messages and the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from loradex.errors import InputError, PromptError  # noqa: E402

from standalone.cli import main  # noqa: E402
from standalone.session import GenerationRequest, Session, Settings  # noqa: E402
from tests.standalone.test_cli import make_lora  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture
def session(tmp_path: Path) -> Session:
    make_lora(tmp_path / "loras" / "style.safetensors")
    return Session(Settings(device="cpu", lora_dirs=(tmp_path / "loras",),
                            output_dir=tmp_path / "out"))


@pytest.fixture
def draw(session: Session, toy_folder: Path) -> Any:
    def make(tag: str = "", **changes: Any) -> Any:
        options = {"checkpoint": str(toy_folder), "steps": 4, "seed": 3, "width": 16,
                   "height": 16, "sampler": "Euler", "schedule": "Automatic"}
        return session.generate(GenerationRequest(f"a cat{tag}", **{**options, **changes}))

    return make


def pixels(result: Any) -> list[bytes]:
    return [image.image.tobytes() for image in result.images]


def test_a_curve_that_is_zero_everywhere_gives_the_picture_without_the_network(draw: Any) -> None:
    base = pixels(draw())
    assert pixels(draw("<lora:style:te=0:unet=0@0,0@0.5>")) == base
    assert pixels(draw("<lora:style:te=0:unet=50:stop=0>")) == base
    assert pixels(draw("<lora:style:te=0:unet=50:lbw=NONE>")) == base


def test_the_steps_of_a_curve_show_in_the_picture_and_nowhere_after(draw: Any) -> None:
    base, whole = pixels(draw()), pixels(draw("<lora:style:50>"))
    half = draw("<lora:style:50:stop=2>")
    assert pixels(half) not in (base, whole)
    assert pixels(draw("<lora:style:te=50:unet=50@1,0@2>")) == pixels(half)
    assert pixels(draw("<lora:style:te=50:unet=50:step=0-2>")) == pixels(half)
    assert pixels(draw("<lora:style:50@0,50@1>")) == whole
    assert pixels(draw("<lora:style:50:lbw=ALL0.5>")) == pixels(draw("<lora:style:25>"))
    assert pixels(draw()) == base


def test_each_picture_of_a_run_begins_at_the_begin(draw: Any) -> None:
    tag = "<lora:style:te=50:unet=50@0,0@1>"
    both = pixels(draw(tag, batch_count=2))
    assert both == pixels(draw(tag)) + pixels(draw(tag, seed=4))
    assert len(set(both)) == 2


def test_both_calls_of_a_second_order_step_have_its_strength(draw: Any, session: Session) -> None:
    seen: list[int] = []
    draw("<lora:style:50@0,0@1>", sampler="Heun")  # loads the engine
    manager = session._engine._manager  # type: ignore[union-attr]
    step = manager.step
    manager.step = lambda i, n: (seen.append(i), step(i, n))[1]  # type: ignore[method-assign]
    draw("<lora:style:50@0,0@1>", sampler="Heun")
    assert seen == [0, 0, 1, 1, 2, 2, 3]
    seen.clear()
    draw("<lora:style:50:lbw=ALL>", sampler="Heun")
    assert not seen


def test_what_is_heeded_is_reported_and_the_rest_said_to_have_no_effect(draw: Any) -> None:
    result = draw("<lora:style:1:lbw=ALL:stop=3:mask=1>")
    (message,) = result.messages
    assert "mask=1 has no effect here" in message
    assert "lbw" not in message.partition(">: ")[2]
    assert result.report.applied[0].options == ("stop=3", "lbw=ALL")
    assert "stop=3 lbw=ALL" in result.images[0].infotext.partition("Loradex:")[2]


def test_strengths_for_a_second_pass_are_said_to_have_no_effect(draw: Any) -> None:
    assert "no second pass" in draw("<lora:style:1:hr=0.5>").messages[0]


def test_presets_lie_beside_the_networks_and_an_unknown_one_is_skipped_alone(
    draw: Any, tmp_path: Path
) -> None:
    skipped = draw("<lora:style:50:lbw=MINE>")
    assert pixels(skipped) == pixels(draw())
    assert "no block weights are called 'MINE'" in " ".join(skipped.messages)
    with pytest.raises(PromptError, match="MINE"):
        draw("<lora:style:50:lbw=MINE>", strict=True)
    (tmp_path / "loras" / "lbwpresets.txt").write_text("bad line:1,x\nMINE:" + ",".join("1" * 17))
    found = draw("<lora:style:50:lbw=MINE>")
    assert pixels(found) == pixels(draw("<lora:style:50>"))
    assert not found.messages


def test_a_file_of_presets_may_be_given_and_must_be_there(
    toy_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_lora(tmp_path / "loras" / "style.safetensors")
    presets = tmp_path / "mine.txt"
    words = ["generate", "a cat<lora:style:50:lbw=MINE>", "--checkpoint", str(toy_folder),
             "--lora-dir", str(tmp_path / "loras"), "--output-dir", str(tmp_path), "--steps", "1",
             "--width", "16", "--height", "16", "--device", "cpu", "--json", "--presets",
             str(presets)]
    assert main(words) == 2
    assert "no such file" in capsys.readouterr().out
    presets.write_text("MINE:" + ",".join("1" * 12))
    assert main(words) == 0
    (row,) = json.loads(capsys.readouterr().out)["applied"]
    assert row["options"] == ["lbw=MINE"]
    with pytest.raises(InputError, match="no such file"):
        Session(Settings(presets=tmp_path / "none")).generate(GenerationRequest("a cat"))


def test_a_demo_network_that_stops_early_shows_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.standalone.demo_effects import EFFECTS, measure

    monkeypatch.chdir(tmp_path)
    session = Session(Settings(device="cpu", output_dir=tmp_path))

    def drawn(tag: str) -> tuple[bytes, float]:
        result = session.generate(GenerationRequest(
            EFFECTS["stripes"].prompt + tag, sampler="Euler", steps=8, cfg_scale=5.0, seed=1))
        assert not result.messages
        picture = result.images[0].image
        return picture.tobytes(), measure("stripes", picture)

    base, full = drawn(""), drawn("<lora:stripes:1>")
    assert drawn("<lora:stripes:te=0:unet=0@0,0@1>")[0] == base[0]
    assert drawn("<lora:stripes:0@0,0@0.5>")[0] == base[0]
    most = drawn("<lora:stripes:1:stop=6>")
    assert base[1] < most[1] < full[1]
    assert drawn("<lora:stripes:1:1@5,0@6>")[0] == most[0]
