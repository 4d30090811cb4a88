"""The checkpoint's own weights come back bit for bit, and no order changes a bit."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("torch")

from safetensors.torch import load_file, save_file

from tests.real_webui.models import OTHER, SD1, SDXL
from tests.real_webui.networks import checkpoint_modules

if TYPE_CHECKING:
    from tests.real_webui.host import RunningWebUI
    from tests.real_webui.models import Models
    from tests.real_webui.shelf import Shelf

pytestmark = [pytest.mark.torch, pytest.mark.timeout(600)]

SWITCHES = 50


@pytest.mark.parametrize("checkpoint", [SD1, SDXL])
def test_after_many_switches(host: RunningWebUI, shelf: Shelf, checkpoint: str) -> None:
    host.load_checkpoint(checkpoint)
    base, weights = host.draw("a cat"), host.weights()
    names = [shelf.usual(checkpoint, kind, seed=8)
             for kind in ("lora", "locon", "loha", "lokr", "full", "norm", "dora", "ia3")]
    chosen = random.Random(1)
    for _ in range(SWITCHES):
        tags = [f"<lora:{name}:{chosen.uniform(-1, 1.5):.2f}>"
                for name in chosen.sample(names, chosen.randrange(4))]
        host.draw(f"a cat {' '.join(tags)}", steps=1)
    assert host.draw("a cat").same(base)
    assert host.weights() == weights


def test_the_order_of_the_tags(host: RunningWebUI, shelf: Shelf) -> None:
    tags = [f"<lora:{shelf.usual(SD1, kind, seed=9)}:0.7>" for kind in ("lora", "dora", "lokr")]
    pictures, weights = [], []
    for order in (tags, tags[::-1], [tags[1], tags[2], tags[0]]):
        pictures.append(host.draw(f"a cat {' '.join(order)}"))
        weights.append(host.weights())
    assert all(one.same(pictures[0]) for one in pictures)
    assert all(one == weights[0] for one in weights)


def test_the_way_there_does_not_matter(host: RunningWebUI, shelf: Shelf) -> None:
    one, two = shelf.usual(SD1, seed=9), shelf.usual(SD1, "full", seed=9)
    fresh = host.draw(f"a cat <lora:{one}:0.8>")
    host.draw(f"a cat <lora:{two}:1> <lora:{one}:0.3>")
    assert host.draw(f"a cat <lora:{one}:0.8>").same(fresh)


def test_another_checkpoint_and_back(host: RunningWebUI, shelf: Shelf) -> None:
    name = shelf.usual(SD1, "locon", seed=9)
    prompt = f"a cat <lora:{name}:1>"
    base, with_network = host.draw("a cat"), host.draw(prompt)
    host.load_checkpoint(OTHER)
    with host.builtin():
        theirs = host.draw(prompt)
    there = host.draw(prompt)
    assert there.near(theirs)
    host.load_checkpoint(SD1)
    assert host.draw(prompt).same(with_network)
    assert host.draw("a cat").same(base)


def test_another_kind_of_checkpoint_and_back(host: RunningWebUI, shelf: Shelf) -> None:
    name, large = shelf.usual(SD1, seed=9), shelf.usual(SDXL, seed=9)
    first = host.draw(f"a cat <lora:{name}:1>")
    host.load_checkpoint(SDXL)
    base = host.draw("a cat")
    assert not host.draw(f"a cat <lora:{large}:1>").near(base)
    assert host.draw("a cat").same(base)
    host.load_checkpoint(SD1)
    assert host.draw(f"a cat <lora:{name}:1>").same(first)


def test_checkpoints_that_stay_in_memory(host: RunningWebUI, shelf: Shelf) -> None:
    """A checkpoint out of the WebUI's cache comes without a callback."""
    prompt = f"a cat <lora:{shelf.usual(SD1, seed=9)}:1>"
    base, with_network = host.draw("a cat"), host.draw(prompt)
    with host.setting(sd_checkpoints_limit=2):
        for _ in range(2):
            host.load_checkpoint(OTHER)
            host.draw(prompt)
            host.load_checkpoint(SD1)
            assert host.draw(prompt).same(with_network)
            assert host.draw("a cat").same(base)


def test_a_checkpoint_asked_for_by_the_picture(host: RunningWebUI, shelf: Shelf) -> None:
    prompt = f"a cat <lora:{shelf.usual(SD1, seed=9)}:1>"
    here = host.draw(prompt)
    there = host.draw(prompt, override_settings={"sd_model_checkpoint": OTHER})
    assert not there.near(here)
    assert host.draw(prompt).same(here)


def test_a_network_is_what_a_merged_checkpoint_is(
    host: RunningWebUI, shelf: Shelf, models: Models
) -> None:
    name = merged_checkpoint(host, shelf, models, SD1)
    ours = host.draw(f"a cat <lora:{name}:1>")
    host.load_checkpoint(f"merged-{SD1}")
    assert ours.near(host.draw("a cat"))


def test_the_refiner(host: RunningWebUI, shelf: Shelf, models: Models) -> None:
    """Both models of the picture have the network; the built-in loses it at the refiner."""
    name = merged_checkpoint(host, shelf, models, SD1)
    merged_checkpoint(host, shelf, models, OTHER)
    refiner = {"refiner_switch_at": 0.5, "steps": 4}
    ours = host.draw(f"a cat <lora:{name}:1>", refiner_checkpoint=OTHER, **refiner)
    host.load_checkpoint(f"merged-{SD1}")
    assert ours.near(host.draw("a cat", refiner_checkpoint=f"merged-{OTHER}", **refiner))


def merged_checkpoint(
    host: RunningWebUI, shelf: Shelf, models: Models, checkpoint: str
) -> str:
    """The network that `merged-CHECKPOINT` has in its weights, computed plainly."""
    tensors = shelf.tensors(SD1, seed=13)
    name = shelf.usual(SD1, seed=13)
    path = models.folder / f"merged-{checkpoint}"
    if not path.exists():
        state = load_file(models.folder / checkpoint)
        for module, (key, _) in checkpoint_modules(models.folder / checkpoint).items():
            if f"{module}.lora_up.weight" in tensors:
                up, down = (tensors[f"{module}.lora_{part}.weight"] for part in ("up", "down"))
                scale = tensors[f"{module}.alpha"] / down.shape[0]
                delta = scale * up.flatten(1).double() @ down.flatten(1).double()
                state[key] = (state[key].double() + delta.reshape(state[key].shape)).float()
        save_file(state, path, {"format": "pt"})
        config = (models.folder / checkpoint).with_suffix(".yaml").read_text()
        path.with_suffix(".yaml").write_text(config)
        host.post("/sdapi/v1/refresh-checkpoints")
    return name
