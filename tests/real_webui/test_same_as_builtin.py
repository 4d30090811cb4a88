"""Loradex' pictures are the built-in's, for every type that both know, on every kind of model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("torch")

from tests.real_webui.models import INPAINT, SD1, SD2, SDXL
from tests.real_webui.networks import modules_of

if TYPE_CHECKING:
    from tests.real_webui.host import RunningWebUI
    from tests.real_webui.picture import Picture
    from tests.real_webui.shelf import Shelf

pytestmark = [pytest.mark.torch, pytest.mark.timeout(600)]

TYPES = ("lora", "locon", "locon-tucker", "loha", "lokr", "full", "norm", "ia3")


def both(host: RunningWebUI, prompt: str, **options: object) -> tuple[Picture, Picture]:
    """The built-in's picture and Loradex' own."""
    with host.builtin():
        theirs = host.draw(prompt, **options)
    assert not theirs.report, "the built-in did not serve this one"
    ours = host.draw(prompt, **options)
    assert ours.report, "Loradex did not serve this one"
    return theirs, ours


def assert_same_effect(host: RunningWebUI, prompt: str) -> Picture:
    base = host.draw("a cat")
    theirs, ours = both(host, f"a cat {prompt}")
    assert theirs.levels(base) > 3, "no effect to compare"
    assert ours.near(theirs), f"{ours.levels(theirs)} levels of {theirs.levels(base)}"
    assert host.draw("a cat").same(base)
    return ours


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("checkpoint", [SD1, SD2, SDXL])
def test_a_type(host: RunningWebUI, shelf: Shelf, checkpoint: str, kind: str) -> None:
    host.load_checkpoint(checkpoint)
    # The built-in knows no norms of OpenCLIP's.
    only = {"only": "lora_unet_"} if kind == "norm" and checkpoint != SD1 else {}
    name = shelf.usual(checkpoint, kind, **only)
    count = modules_of(shelf.tensors(checkpoint, kind, **only))
    ours = assert_same_effect(host, f"<lora:{name}:1>")
    assert ours.report == f"{name} {count}/{count}"


def test_an_inpainting_checkpoint(host: RunningWebUI, shelf: Shelf) -> None:
    host.load_checkpoint(INPAINT)
    assert_same_effect(host, f"<lora:{shelf.usual(INPAINT, 'locon')}:1>")


@pytest.mark.parametrize("strengths", [
    "0.7", "1:0", "0:1", "0.5:0.9", "te=0.3", "unet=0.4", "1:te=0.2:unet=0.6", "-0.5", "1:1:2",
    "1:dyn=3",
])
def test_strengths(host: RunningWebUI, shelf: Shelf, strengths: str) -> None:
    assert_same_effect(host, f"<lora:{shelf.usual(SD1)}:{strengths}>")


@pytest.mark.parametrize(("checkpoint", "encoder"), [
    (SD1, "lora_te_"), (SD2, "lora_te_"), (SDXL, "lora_te1_"), (SDXL, "lora_te2_"),
])
def test_each_text_encoder_alone(
    host: RunningWebUI, shelf: Shelf, checkpoint: str, encoder: str
) -> None:
    host.load_checkpoint(checkpoint)
    name = shelf.usual(checkpoint, only=encoder, std=0.05)
    assert_same_effect(host, f"<lora:{name}:1>")


@pytest.mark.parametrize("letters", ["q", "kv", "qv"])
def test_a_part_of_a_fused_attention(host: RunningWebUI, shelf: Shelf, letters: str) -> None:
    """OpenCLIP keeps q, k and v in one tensor; the built-in takes them with the output or not."""
    host.load_checkpoint(SDXL)
    whole = shelf.tensors(SDXL, only="lora_te2_.*self_attn_(q|k|v|out)_proj", std=0.05)
    part = {name: t for name, t in whole.items() if re.search(f"_[{letters}]_proj", name)}
    up = {name for name in whole if name.endswith("lora_up.weight") and name not in part}
    shelf.put(f"part-{letters}", part)
    shelf.put(f"whole-{letters}", {n: t * 0 if n in up else t for n, t in whole.items()})
    with host.builtin():
        theirs = host.draw(f"a cat <lora:whole-{letters}:1>")
    ours = host.draw(f"a cat <lora:part-{letters}:1>")
    assert ours.near(theirs)
    assert not ours.near(host.draw("a cat"))


def test_two_at_once(host: RunningWebUI, shelf: Shelf) -> None:
    one, two = shelf.usual(SD1), shelf.usual(SD1, "loha", seed=1)
    assert_same_effect(host, f"(a dog:1.3) <lora:{one}:0.8> [grass] <lora:{two}:0.6>")


def test_the_other_tag(host: RunningWebUI, shelf: Shelf) -> None:
    assert_same_effect(host, f"<lyco:{shelf.usual(SD1, 'locon')}:0.9>")


def test_hires_with_its_own_prompt(host: RunningWebUI, shelf: Shelf) -> None:
    first, second = shelf.usual(SD1), shelf.usual(SD1, "locon", seed=2)
    theirs, ours = both(
        host, f"a cat <lora:{first}:1>", enable_hr=True, hr_scale=2, hr_second_pass_steps=2,
        hr_upscaler="Latent", denoising_strength=0.7, hr_prompt=f"a cat <lora:{second}:1>",
    )
    assert ours.near(theirs)
    assert second in str(ours.parameters)


def test_hires_without_a_tag_in_its_prompt(host: RunningWebUI, shelf: Shelf) -> None:
    hires = {"enable_hr": True, "hr_scale": 2, "hr_second_pass_steps": 2, "hr_upscaler": "Latent",
             "denoising_strength": 0.7, "hr_prompt": "a dog"}
    theirs, ours = both(host, f"a cat <lora:{shelf.usual(SD1)}:1>", **hires)
    assert ours.near(theirs)


def test_batches(host: RunningWebUI, shelf: Shelf) -> None:
    prompt = f"a cat <lora:{shelf.usual(SD1)}:1>"
    with host.builtin():
        theirs = host.draw_all(prompt, n_iter=2, batch_size=2)
    ours = host.draw_all(prompt, n_iter=2, batch_size=2)
    assert len(ours) == len(theirs) >= 4
    assert all(a.near(b) for a, b in zip(ours, theirs, strict=True))


def test_the_hashes_in_the_infotext(host: RunningWebUI, shelf: Shelf) -> None:
    one, two = shelf.usual(SD1), shelf.usual(SD1, "loha", seed=1)
    theirs, ours = both(host, f"a cat <lora:{one}:1> <lora:{two}:0.5>")
    assert theirs.parameters["Lora hashes"]
    assert ours.parameters["Lora hashes"] == theirs.parameters["Lora hashes"]


def test_names_that_the_file_gives_itself(host: RunningWebUI, shelf: Shelf) -> None:
    shelf.put("file-name", shelf.tensors(SD1, seed=7), {"ss_output_name": "trained-name"})
    assert_same_effect(host, "<lora:trained-name:1>")
    _, ours = both(host, "a cat <lora:trained-name:1>")
    assert ours.near(host.draw("a cat <lora:file-name:1>"))


def test_a_lora_in_every_prompt(host: RunningWebUI, shelf: Shelf) -> None:
    name = shelf.usual(SD1, seed=3)
    with host.setting(sd_lora=name):
        theirs, ours = both(host, "a cat")
    assert theirs.near(ours)
    assert ours.near(host.draw(f"a cat <lora:{name}:1>"))
    assert f"<lora:{name}:" in ours.infotext


def test_norms_that_the_builtin_leaves_out(host: RunningWebUI, shelf: Shelf) -> None:
    host.load_checkpoint(SDXL)
    name = shelf.usual(SDXL, "norm", only="lora_te2_", std=0.3)
    assert not host.draw(f"a cat <lora:{name}:1>").near(host.draw("a cat"))


def test_a_bundled_embedding(host: RunningWebUI, shelf: Shelf) -> None:
    import torch

    random = torch.Generator().manual_seed(5)
    vector = torch.randn(2, 64, generator=random) * 0.3
    name = "with-embedding"
    shelf.put(name, {**shelf.tensors(SD1, seed=5, only="lora_unet_"),
                     "bundle_emb.bundledword.string_to_param.*": vector})
    plain, word = f"a cat <lora:{name}:1>", f"a bundledword cat <lora:{name}:1>"
    theirs, ours = both(host, word)
    assert ours.near(theirs)
    assert not ours.near(host.draw(plain))
    assert host.draw("a bundledword cat").same(host.draw("a bundledword cat"))


def test_loras_of_the_api(host: RunningWebUI, shelf: Shelf) -> None:
    name = shelf.usual(SD1)
    listed = {one["name"] for one in host.get("/sdapi/v1/loras")}
    assert name in listed
