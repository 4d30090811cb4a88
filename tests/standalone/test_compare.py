"""Comparing LoRAs as one batch: the same pictures as one by one, and a sheet of all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from loradex.errors import InputError, NetworkError, PromptError  # noqa: E402
from loradex.prompts.infotext import parse_infotext  # noqa: E402
from PIL import Image, ImageChops  # noqa: E402

from standalone import cli  # noqa: E402
from standalone.comparison import BASELINE, read_variants  # noqa: E402
from standalone.session import GenerationRequest, Session, Settings  # noqa: E402
from standalone.sheet import make_sheet  # noqa: E402

pytestmark = pytest.mark.torch
PROMPT = "a red circle"
ASKED = ("golden", "golden:0.4", "<lora:night:1> <lora:pastel:0.5>", "stripes:1:0.7", "outline")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    return Session(Settings(device="cpu", output_dir=tmp_path_factory.mktemp("out")))


def request_of(prompt: str = PROMPT, **changes: Any) -> GenerationRequest:
    return GenerationRequest(prompt, **{"steps": 3, "seed": 7, **changes})


def levels(one: Image.Image, other: Image.Image) -> int:
    """The largest difference of two pictures, of 255."""
    return max(high for _, high in ImageChops.difference(one, other).getextrema())


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ 2M"])
def test_the_batch_gives_what_its_pictures_give_one_by_one(session: Session, sampler: str) -> None:
    variants = read_variants(ASKED, baseline=True)
    together = session.generate(request_of(sampler=sampler, compare=variants))
    assert len(together.images) == len(variants)
    for variant, made in zip(variants, together.images, strict=True):
        alone = session.generate(request_of(f"{PROMPT} {variant.text}", sampler=sampler))
        # other orders of the same sums: a level of 255 at most
        assert levels(made.image, alone.images[0].image) <= 1, variant.label
        assert parse_infotext(made.infotext).prompt == f"{PROMPT} {variant.text}".strip()
    different = {made.image.tobytes() for made in together.images}
    assert len(different) == len(variants)


def test_pictures_are_the_same_however_many_go_through_at_once(session: Session) -> None:
    variants = read_variants(ASKED, baseline=True)
    whole = session.generate(request_of(compare=variants))
    parts = session.generate(request_of(compare=variants, at_once=2))
    for one, other in zip(whole.images, parts.images, strict=True):
        assert levels(one.image, other.image) <= 1


def test_the_prompts_own_loras_are_in_every_picture(session: Session) -> None:
    variants = read_variants(["night"], baseline=True)
    result = session.generate(request_of(f"{PROMPT} <lora:golden:1>", compare=variants))
    alone = session.generate(request_of(f"{PROMPT} <lora:golden:1>"))
    assert levels(result.images[0].image, alone.images[0].image) <= 1
    assert [row.name for row in result.report.applied] == ["golden", "night"]


def test_strengths_may_change_with_the_steps(session: Session) -> None:
    variants = read_variants(["stripes:unet=0@0,0@0.5,1@0.6", "stripes"], baseline=True)
    result = session.generate(request_of(steps=4, compare=variants))
    for variant, made in zip(variants, result.images, strict=True):
        alone = session.generate(request_of(f"{PROMPT} {variant.text}", steps=4))
        assert levels(made.image, alone.images[0].image) <= 1, variant.label


def test_the_next_picture_is_the_checkpoints_own(session: Session) -> None:
    before = session.generate(request_of()).images[0].image
    session.generate(request_of(compare=read_variants(["golden", "stripes"], baseline=False)))
    assert session.generate(request_of()).images[0].image.tobytes() == before.tobytes()


def test_a_lora_that_cannot_be_used_is_told_and_the_others_are_drawn(session: Session) -> None:
    variants = read_variants(["golden", "no such"], baseline=True)
    result = session.generate(request_of(compare=variants))
    assert len(result.images) == 3
    assert result.images[2].image.tobytes() == result.images[0].image.tobytes()
    assert any("no such" in message for message in result.messages)
    with pytest.raises(NetworkError, match="no such"):
        session.generate(request_of(compare=variants, strict=True))


def test_the_sheet_holds_every_picture(session: Session) -> None:
    variants = read_variants(ASKED, baseline=True)
    result = session.generate(request_of(compare=variants))
    assert result.sheet is not None
    with Image.open(result.sheet) as sheet:
        side = result.images[0].image.width
        assert sheet.width > 3 * side
        assert sheet.height > 2 * side
        assert all(name in sheet.text["parameters"] for name in ASKED)


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_a_sheet_of_any_number_of_pictures_is_about_square(count: int) -> None:
    pictures = [(f"<lora:{'long name ' * 9}{i}:1>", Image.new("RGB", (64, 64), (i, 0, 0)))
                for i in range(count)]
    sheet = make_sheet(pictures)
    assert 0.4 < sheet.width / sheet.height < 2.5
    found = {pixel for _, pixel in sheet.getcolors(1 << 20)}
    assert {(i, 0, 0) for i in range(count)} <= found


@pytest.mark.parametrize(("texts", "error"), [
    ([], "1 pictures"), (["a cat <lora:golden:1>"], "'a cat' is no LoRA"),
    (["golden:high"], "the te strength is 'high'"), ([""], "no name"),
])
def test_what_cannot_be_compared_is_told_in_one_line(texts: list[str], error: str) -> None:
    with pytest.raises((InputError, PromptError), match=error):
        read_variants(texts, baseline=True)


def test_the_baseline_comes_first_and_can_be_left_out() -> None:
    assert [one.label for one in read_variants(["a", "b"], baseline=True)] == [BASELINE, "a", "b"]
    assert [one.label for one in read_variants(["a", "b"], baseline=False)] == ["a", "b"]


def test_the_command_writes_the_sheet_and_the_pictures_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code = cli.main(["compare", PROMPT, "--lora", "golden", "--lora", "night:0.5", "--steps", "1",
                     "--seed", "1", "--out", "all.png", "--json"])
    told = json.loads(capfd.readouterr().out)
    assert code == 0
    assert Path(told["sheet"]) == (tmp_path / "all.png").resolve()
    assert [Path(one["path"]).name for one in told["images"]] == [
        "all-1.png", "all-2.png", "all-3.png"]
    assert {row["name"] for row in told["applied"]} == {"golden", "night"}


def test_nothing_to_compare_is_one_line_and_exit_2(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compare", PROMPT]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "--lora NAME:STRENGTH" in err
