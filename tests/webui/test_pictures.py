"""Pictures in the fake WebUI: the built-in's own within rounding, and the base bit for bit."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

for needed in ("torch", "fastapi", "httpx"):
    pytest.importorskip(needed)

import torch  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from tests.webui.fakehost import FakeWebUI, write_lora  # noqa: E402
from tests.webui.installed import difference, webui_with_loradex  # noqa: E402

pytestmark = pytest.mark.torch

ROUNDING = 0.01
"""Share of a LoRA's effect on a picture: the fake model carries every last bit to the end."""

PARTS = {"sd1": ["te"], "sd2": ["te"], "sdxl": ["te1", "te2"]}
STRENGTHS = ("1", "0.3:0.9", "te=0.5:unet=0", "0:1", "-0.5")


@pytest.fixture
def webui(tmp_path: Path) -> Iterator[FakeWebUI]:
    made = webui_with_loradex(tmp_path)
    for seed, name in enumerate("abc"):
        write_lora(made.lora_dir / f"{name}.safetensors", seed=seed)
    write_lora(made.lora_dir / "words.safetensors", seed=7, parts=["te"])
    with made:
        yield made


def only(path: Path, *contains: str) -> None:
    """Leaves of a file the modules whose names contain one of these."""
    tensors = {key: one for key, one in load_file(path).items() if any(c in key for c in contains)}
    assert tensors
    save_file(tensors, path)


def prompts_of(family: str) -> list[str]:
    names = ["all", "unet", "qv", *PARTS[family]]
    return [*(f"cat <lora:all:{one}>" for one in STRENGTHS),
            *(f"cat <lora:{name}:0.8>" for name in names[1:]),
            "cat <lora:unet:0.5><lyco:qv:1>"]


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_a_lora_gives_the_builtins_picture_within_rounding(tmp_path: Path, family: str) -> None:
    """SD2's encoder and SDXL's second have q, k and v in one weight; a file may lack one."""
    pictures = []
    for webui in (FakeWebUI(tmp_path / "built-in", checkpoints={"x": (family, 1)}),
                  webui_with_loradex(tmp_path / "loradex", checkpoints={"x": (family, 1)})):
        for seed, parts in enumerate(([], ["unet"], *([one] for one in PARTS[family]))):
            name = parts[0] if parts else "all"
            write_lora(webui.lora_dir / f"{name}.safetensors", family, seed=seed, parts=parts)
        only(write_lora(webui.lora_dir / "qv.safetensors", family, seed=5,
                        parts=PARTS[family], scale=0.5), "q_proj", "v_proj")
        with webui:
            pictures.append([webui.txt2img(one, steps=1)
                             for one in ("cat", *prompts_of(family))])
    (plain, *theirs), (our_plain, *ours) = pictures
    assert our_plain.picture == plain.picture
    for prompt, mine, other in zip(prompts_of(family), ours, theirs, strict=True):
        effect = difference(other, plain)
        assert effect > 0, prompt
        assert difference(mine, other) < ROUNDING * effect + 1e-4, prompt


def test_removed_and_after_fifty_random_switches_the_base_is_bit_for_bit(webui: FakeWebUI) -> None:
    chance = random.Random(4)
    base, weights = webui.txt2img("cat").picture, webui.weights()
    webui.txt2img("cat <lora:a:1>")
    assert webui.txt2img("cat").picture == base
    seen: dict[str, bytes] = {}
    for _ in range(50):
        names = chance.sample(["a", "b", "words"], chance.randint(0, 3))
        prompt = "cat " + "".join(
            f"<{chance.choice(['lora', 'lyco'])}:{name}:{chance.choice(['1', '0.5', '0:1'])}>"
            for name in names)
        key = "".join(sorted(prompt.replace("lyco", "lora").split("<")))
        picture = webui.txt2img(prompt, steps=1).picture
        assert seen.setdefault(key, picture) == picture  # whatever came before
    assert webui.txt2img("cat").picture == base
    after = webui.weights()
    assert all(torch.equal(after[name], weights[name]) for name in weights)


def test_both_orders_of_two_loras_give_the_same_bits(webui: FakeWebUI) -> None:
    first = webui.txt2img("cat <lora:a:0.7><lora:b:0.4><lora:c:1>").picture
    webui.txt2img("dog")
    assert webui.txt2img("cat <lora:c:1><lora:b:0.4><lora:a:0.7>").picture == first


def test_the_same_tag_twice_adds_up(webui: FakeWebUI) -> None:
    twice = webui.txt2img("cat <lora:a:1><lora:a:0.5>")
    assert "add up" in twice.comments
    webui.txt2img("dog")
    assert webui.txt2img("cat <lora:a:1.5>").picture == twice.picture


def test_a_file_replaced_under_its_name_takes_effect_at_once(webui: FakeWebUI) -> None:
    """Same prompt: the conditioning that the WebUI kept was made with the old file."""
    old = webui.txt2img("cat <lora:words:1>").picture
    file = write_lora(webui.lora_dir / "words.safetensors", seed=8, parts=["te"])
    os.utime(file, ns=(1, 10**18))
    new = webui.txt2img("cat <lora:words:1>").picture
    write_lora(webui.lora_dir / "other.safetensors", seed=8, parts=["te"])
    assert new != old
    assert webui.txt2img("cat <lora:other:1>").picture == new


def test_a_deleted_file_gives_the_base_and_says_so(webui: FakeWebUI) -> None:
    base = webui.txt2img("cat").picture
    assert webui.txt2img("cat <lora:words:1>").picture != base
    (webui.lora_dir / "words.safetensors").unlink()
    gone = webui.txt2img("cat <lora:words:1>")
    assert gone.picture == base
    assert "words" in gone.comments
    assert "words  skipped" in gone.infotext


@pytest.mark.parametrize("strengths", ["0", "0:0", "te=0:unet=0"])
def test_at_strength_0_the_picture_is_the_base(webui: FakeWebUI, strengths: str) -> None:
    base = webui.txt2img("cat").picture
    off = webui.txt2img(f"cat <lora:a:{strengths}>")
    assert off.picture == base
    assert "Lora hashes" not in off.infotext


def test_a_change_of_the_image_part_alone_keeps_the_conditionings(webui: FakeWebUI) -> None:
    webui.txt2img("cat <lora:a:1>")
    cache = webui.module("processing").StableDiffusionProcessing.cached_c
    kept = cache[1]
    webui.txt2img("cat <lora:a:1>", seed=2)
    assert cache[1] is kept


def test_the_negative_prompts_conditioning_is_made_anew_too(webui: FakeWebUI) -> None:
    fresh = webui.txt2img("cat <lora:words:1>", negative_prompt="dog").picture
    webui.txt2img("cat <lora:words:0.5>", negative_prompt="dog")
    assert webui.txt2img("cat <lora:words:1>", negative_prompt="dog").picture == fresh
    base = webui.txt2img("cat", negative_prompt="dog").picture
    webui.txt2img("bird")
    assert webui.txt2img("cat", negative_prompt="dog").picture == base


def test_pictures_of_a_batch_and_of_several_iterations_have_the_lora(webui: FakeWebUI) -> None:
    one = [webui.txt2img("cat <lora:a:1>", seed=seed).picture for seed in (1, 2, 3, 4)]
    rows = webui.txt2img("cat <lora:a:1>", n_iter=4)
    assert list(rows.pictures) == one
    assert all("Loradex: a 293/293" in text for text in rows.infotexts)
    square = webui.txt2img("cat <lora:a:1>", n_iter=2, batch_size=2)
    assert len(square.pictures) == 4
    assert all("Loradex: a 293/293" in text for text in square.infotexts)


def test_prompts_of_several_batches_have_each_their_own_lora(webui: FakeWebUI) -> None:
    a, b, base = (webui.txt2img(one, seed=seed).picture for seed, one in
                  enumerate(("cat <lora:a:1>", "dog <lora:b:1>", "bird"), 1))
    made = webui.txt2img(["cat <lora:a:1>", "dog <lora:b:1>", "bird"], n_iter=3)
    assert made.pictures == (a, b, base)
