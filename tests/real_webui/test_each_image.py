"""Prompt matrix in one batch: every image has the networks of its own prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("torch")

from tests.real_webui.models import SD1, SDXL

if TYPE_CHECKING:
    from tests.real_webui.host import RunningWebUI
    from tests.real_webui.picture import Picture
    from tests.real_webui.shelf import Shelf

pytestmark = [pytest.mark.torch, pytest.mark.timeout(600)]

HIRES = {"enable_hr": True, "hr_scale": 2, "denoising_strength": 0.6, "hr_upscaler": "Latent"}


def matrix(
    host: RunningWebUI, names: list[str], batch_size: int, start: str = "a cat", **options: Any
) -> list[Picture]:
    """Without, with the first, with the second and with both networks; the grid is left out."""
    prompt = "|".join([start, *(f"<lora:{name}:0.8>" for name in names)])
    return host.draw_all(
        prompt, script_name="prompt matrix", script_args=[False, False, "positive", "comma", 0],
        batch_size=batch_size, **options)[1:]


@pytest.mark.parametrize("options", [{}, HIRES], ids=("one pass", "hires"))
@pytest.mark.parametrize("checkpoint", [SD1, SDXL])
def test_a_prompt_matrix_in_one_batch_is_that_of_single_pictures(
    host: RunningWebUI, shelf: Shelf, checkpoint: str, options: dict[str, Any]
) -> None:
    host.load_checkpoint(checkpoint)
    base = host.draw("a cat")
    names = [shelf.usual(checkpoint, "locon", seed=seed) for seed in (5, 6)]
    alone, together = (matrix(host, names, size, **options) for size in (1, 4))
    assert len(together) == 4
    for one, other in zip(alone, together, strict=True):
        assert other.near(one), f"{other.levels(one)} levels"
    assert together[1].levels(together[2]) > 3
    told = [text.partition("Loradex: ")[2] for text in together[0].info["infotexts"][1:]]
    assert not told[0]
    assert names[0] in told[1]
    assert names[1] not in told[1]
    assert names[1] in told[2]
    assert names[0] not in told[2]
    assert host.draw("a cat").same(base)


def test_the_builtin_puts_the_first_prompts_networks_on_all(
    host: RunningWebUI, shelf: Shelf
) -> None:
    names = [shelf.usual(SD1, "locon", seed=seed) for seed in (5, 6)]
    with host.builtin():
        alone, together = (matrix(host, names, size) for size in (1, 4))
    assert together[1].near(together[2])
    assert not alone[1].near(alone[2])


def test_where_and_joins_prompts_the_first_prompts_networks_are_on_all_and_it_is_said(
    host: RunningWebUI, shelf: Shelf
) -> None:
    names = [shelf.usual(SD1, "locon", seed=seed) for seed in (5, 6)]
    found = matrix(host, names, 4, start="a cat AND a dog")
    assert "those of the first are on all of them: AND is in a prompt" in host.applied()["notes"][0]
    assert found[1].near(found[2])
