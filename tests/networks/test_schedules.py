"""Strengths that change with the steps: rebuilt is what changed, and the past leaves no trace."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from loradex.errors import PatchError, PromptError  # noqa: E402
from loradex.manager import LoraManager  # noqa: E402
from loradex.networks.model import BoundModel  # noqa: E402
from loradex.networks.patcher import Patcher  # noqa: E402
from loradex.networks.rebuild import Rebuild  # noqa: E402
from loradex.networks.uses import Run, made_use  # noqa: E402
from loradex.prompts.curves import Moment  # noqa: E402
from loradex.prompts.presets import BUILT_IN  # noqa: E402
from loradex.prompts.tags import LoraTag, extract_tags  # noqa: E402

from tests.networks.enginekit import assert_same_bits, lora, snapshot, toy_model  # noqa: E402
from tests.test_manager import write_lora  # noqa: E402

pytestmark = pytest.mark.torch

NETWORKS = {
    "a": lora("a", "denoiser.proj", "denoiser.conv", "te.first"),
    "b": lora("b", "denoiser.proj", "denoiser.bare", seed=9),
    "c": lora("c", "denoiser.to_q", "denoiser.to_v", "te.second", seed=20),
}
PROMPTS = (
    "<lora:a:0@0,1@1><lora:b:0.5>", "<lora:a:1:start=3:stop=7><lora:b:unet=1@0,0@0.4>",
    "<lora:a:0.5:hr=0@0,1@1><lora:a:0.25:step=2-9><lora:c:te=0.5:unet=0@2,1@8>",
    "<lora:c:1:lbw=ALL0.5:stop=0.5><lora:b:0.7:hrunet=0>",
)


def begun(model: BoundModel, prompt: str, hires: bool = False) -> Run:
    patcher = Patcher(model)
    _, tags = extract_tags(prompt)
    run = Run(patcher, [made_use(tag, NETWORKS[tag.name], 0.0, BUILT_IN, patcher) for tag in tags],
              hires=hires)
    run.begin()
    return run


def weights_at(prompt: str, step: int, steps: int, hires: bool) -> dict[str, torch.Tensor]:
    """What a model has that was never in another step."""
    model = toy_model()
    begun(model, prompt, hires).step(Moment(step, steps), hires)
    return snapshot(model)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(PROMPTS), st.lists(st.integers(0, 11), min_size=1, max_size=8),
       st.booleans())
def test_a_step_is_the_same_bits_whatever_steps_came_before(
    prompt: str, steps: list[int], hires: bool
) -> None:
    model = toy_model()
    before = snapshot(model)
    run = begun(model, prompt, hires)
    for step in steps:
        run.step(Moment(step, 12), hires)
    assert_same_bits(snapshot(model), weights_at(prompt, steps[-1], 12, hires))
    run.patcher.restore()
    assert_same_bits(snapshot(model), before)


@pytest.mark.parametrize(
    ("tag", "changes"),
    [("<lora:a:1>", 0), ("<lora:a:te=0@0,1@1:unet=1>", 0), ("<lora:a:0.5@0,0.5@1>", 0),
     ("<lora:a:1:hr=0.5>", 0), ("<lora:a:1:stop=10>", 0), ("<lora:a:1:start=10>", 1),
     ("<lora:a:0@0,1@1>", 19), ("<lora:a:1@0,0.5@0.5>", 10), ("<lora:a:0.9@0,1@1>", 7)],
)
def test_a_pass_rebuilds_what_changed_and_nothing_while_it_is_constant(
    tag: str, changes: int
) -> None:
    model = toy_model()
    run = begun(model, f"{tag}<lora:c:1>")
    rebuilt, applied = [], 0
    for step in range(20):
        before = run.patcher.work
        run.step(Moment(step, 20), False)
        if run.patcher.work is not before:
            applied += 1
            rebuilt.append(run.patcher.work.slots_rebuilt)
    # `a` has two parameters of the denoiser; those of `c` and of the text encoders stay
    assert sum(rebuilt) == 2 * changes
    assert applied <= 20
    assert applied == 0 or changes or "stop" in tag


def test_the_text_encoders_keep_what_the_prompt_was_read_with() -> None:
    model = toy_model()
    run = begun(model, "<lora:a:0.25@0,1@1>")
    first = {name: one for name, one in snapshot(model).items() if name.startswith("te.")}
    for step in range(5):
        run.step(Moment(step, 5), step > 2)
        now = {name: one for name, one in snapshot(model).items() if name.startswith("te.")}
        assert_same_bits(now, first)


def manager_of(folder: Path) -> tuple[LoraManager, BoundModel, dict[str, torch.Tensor]]:
    write_lora(folder / "one.safetensors", "denoiser.proj", "te.first")
    write_lora(folder / "two.safetensors", "denoiser.conv", seed=5)
    manager, model = LoraManager([folder]), toy_model()
    manager.bind(model)
    return manager, model, snapshot(model)


def tag(text: str) -> LoraTag:
    _, (found,) = extract_tags(text)
    return found


def test_a_manager_without_a_schedule_has_nothing_to_do_in_a_step(tmp_path: Path) -> None:
    manager, model, _ = manager_of(tmp_path)
    manager.use([LoraTag("one"), tag("<lora:two:0.5:lbw=ALL>")])
    assert not manager.moves
    on = snapshot(model)
    manager.step(3, 9)
    assert_same_bits(snapshot(model), on)


def test_a_network_that_acts_later_is_reported_as_on(tmp_path: Path) -> None:
    manager, model, base = manager_of(tmp_path)
    (row,) = manager.use([tag("<lora:two:1:start=3>")]).applied
    assert row.used
    assert row.options == ("start=3",)
    assert row.as_dict()["options"] == ["start=3"]
    assert_same_bits(snapshot(model), base)
    manager.step(3, 9)
    assert not torch.equal(snapshot(model)["unet.conv.weight"], base["unet.conv.weight"])
    manager.restore()
    assert not manager.moves
    assert_same_bits(snapshot(model), base)


def test_bad_block_weights_skip_that_network_alone_and_strict_stops(tmp_path: Path) -> None:
    manager, model, base = manager_of(tmp_path)
    bad = tag("<lora:one:1:lbw=NIX>")
    first, second = manager.use([bad, LoraTag("two")]).applied
    assert "no block weights are called 'NIX'" in first.skipped
    assert not second.skipped
    with pytest.raises(PromptError, match="NIX"):
        manager.use([bad, LoraTag("two")], strict=True)
    assert_same_bits(snapshot(model), base)


def test_a_step_that_cannot_write_leaves_the_checkpoint_and_ends_the_schedule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager, model, base = manager_of(tmp_path)
    manager.use([tag("<lora:one:0@0,1@1>"), LoraTag("two")])

    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(Rebuild, "write", fail)
        with pytest.raises(PatchError):
            manager.step(4, 9)
    assert_same_bits(snapshot(model), base)
    manager.step(5, 9)
    assert_same_bits(snapshot(model), base)


def test_random_runs_on_one_model_leave_no_trace(tmp_path: Path) -> None:
    chance = random.Random(3)
    model = toy_model()
    base, patcher = snapshot(model), Patcher(model)
    for _ in range(40):
        prompt, hires = chance.choice(PROMPTS), chance.random() < 0.3
        _, tags = extract_tags(prompt)
        uses = [made_use(one, NETWORKS[one.name], 0.0, BUILT_IN, patcher) for one in tags]
        run = Run(patcher, uses, hires=hires)
        run.begin()
        step = 0
        for _ in range(chance.randint(0, 4)):
            step = chance.randrange(12)
            run.step(Moment(step, 12), hires)
        assert_same_bits(snapshot(model), weights_at(prompt, step, 12, hires))
        if chance.random() < 0.3:
            patcher.restore()
            assert_same_bits(snapshot(model), base)
