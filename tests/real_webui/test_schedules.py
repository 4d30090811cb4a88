"""Block weights and strengths that change with the steps, in a real WebUI."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.importorskip("torch")

from tests.real_webui.models import SD1, SDXL

if TYPE_CHECKING:
    from tests.real_webui.host import RunningWebUI
    from tests.real_webui.shelf import Shelf

pytestmark = [pytest.mark.torch, pytest.mark.timeout(600)]

STEPS = {"steps": 4}
HIRES = {"enable_hr": True, "hr_scale": 2, "denoising_strength": 0.6, "steps": 2,
         "hr_upscaler": "Latent"}


@pytest.mark.parametrize("checkpoint", [SD1, SDXL])
def test_block_weights_of_one_are_no_block_weights_and_of_zero_no_network(
    host: RunningWebUI, shelf: Shelf, checkpoint: str
) -> None:
    host.load_checkpoint(checkpoint)
    name = shelf.usual(checkpoint, "locon", seed=9)
    count = 26 if checkpoint == SD1 else 20
    base, plain = host.draw("a cat"), host.draw(f"a cat <lora:{name}:0.8>")
    ones, zeros = (",".join([value] * count) for value in "10")
    assert host.draw(f"a cat <lora:{name}:0.8:lbw={ones}>").same(plain)
    assert host.draw(f"a cat <lora:{name}:0.8:{zeros}>").same(base)
    middle = host.draw(f"a cat <lora:{name}:0.8:lbw=MIDD>")
    assert not middle.near(base)
    assert not middle.near(plain)
    assert "lbw=MIDD" in middle.report
    assert host.draw("a cat").same(base)


def test_a_list_of_another_familys_length_leaves_the_network_out(
    host: RunningWebUI, shelf: Shelf
) -> None:
    name = shelf.usual(SD1, seed=9)
    made = host.draw(f"a cat <lora:{name}:1:lbw=1,0,1,0,1>")
    assert "skipped" in made.report
    assert made.same(host.draw("a cat"))


def test_a_flat_curve_is_its_number(host: RunningWebUI, shelf: Shelf) -> None:
    name = shelf.usual(SD1, seed=9)
    plain = host.draw(f"a cat <lora:{name}:0.5>", **STEPS)
    assert host.draw(f"a cat <lora:{name}:0.5@0,0.5@1>", **STEPS).same(plain)


def test_a_network_that_stops_and_one_that_starts(host: RunningWebUI, shelf: Shelf) -> None:
    tag = f"<lora:{shelf.usual(SD1, seed=9)}:te=0:unet=1"
    base, whole = host.draw("a cat", **STEPS), host.draw(f"a cat {tag}>", **STEPS)
    first = host.draw(f"a cat {tag}:stop=2>", **STEPS)
    second = host.draw(f"a cat {tag}:start=2>", **STEPS)
    assert host.draw(f"a cat {tag}:stop=4>", **STEPS).same(whole)
    assert host.draw(f"a cat {tag}:start=4>", **STEPS).same(base)
    assert len({one.pixels for one in (base, whole, first, second)}) == 4
    assert "stop=2" in first.report
    curve = host.draw(
        f"a cat {tag.replace('unet=1', 'unet=1@0,1@1,0@2,0@3')}>", **STEPS)
    assert curve.same(first)
    assert host.draw("a cat", **STEPS).same(base)


def test_the_second_pass_has_its_own_strength(host: RunningWebUI, shelf: Shelf) -> None:
    name = shelf.usual(SD1, seed=9)
    without = host.draw(f"a cat <lora:{name}:3>", hr_prompt="a cat", **HIRES)
    assert host.draw(f"a cat <lora:{name}:3:hr=0>", **HIRES).same(without)
    same = host.draw(f"a cat <lora:{name}:3>", **HIRES)
    assert host.draw(f"a cat <lora:{name}:3:hr=3>", **HIRES).same(same)
    assert not same.near(without)
