"""Recipes that wait for their weights: nothing is early, nothing forgotten, and all comes off.

Here the weights never come to another device, so each layer is written before its own call; on a
real second device tests/second_device lives through the same.
"""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from loradex.errors import PatchError  # noqa: E402
from loradex.keys.architecture import Architecture, Builder  # noqa: E402
from loradex.networks.model import BoundComponent, BoundModel  # noqa: E402
from loradex.networks.patcher import Patcher, StackEntry  # noqa: E402
from torch import nn  # noqa: E402

from tests.networks.enginekit import (  # noqa: E402
    assert_same_bits,
    call,
    network,
    parameter,
    snapshot,
    toy_model,
)
from tests.networks.test_restore import (  # noqa: E402
    NETWORKS,
    STACKS,
    FailingMerger,
)

pytestmark = pytest.mark.torch

BOTH = [StackEntry(NETWORKS[0]), StackEntry(NETWORKS[2])]


def sent_over(model: BoundModel) -> BoundModel:
    """The model on a host that has its parts in main memory and computes on a card."""
    return replace(model, computes_on="cuda")


def hooks(model: BoundModel) -> int:
    return sum(len(module._forward_pre_hooks)
               for part in model.components.values() for module in part.root.modules())


def test_nothing_is_written_before_its_layer_computes() -> None:
    model = sent_over(toy_model())
    before = snapshot(model)
    patcher = Patcher(model)
    report = patcher.apply(BOTH)
    assert report.applied[0].components["unet"].matched == 3
    assert (patcher.work.slots_waiting, patcher.work.bytes_written) == (8, 0)
    assert_same_bits(snapshot(model), before)
    assert patcher.active
    call(model, "proj")
    assert patcher.work.slots_rebuilt == 1
    call(model)
    assert patcher.work.slots_rebuilt == 8
    fresh = toy_model()
    Patcher(fresh).apply(BOTH)
    assert_same_bits(snapshot(model), snapshot(fresh))
    assert hooks(model) == 0


EVENTS = st.sampled_from(("nothing", "call", "call", "some", "spare", "base", "restore", "move"))
WRITES = st.tuples(STACKS, st.none() | st.integers(0, 8), EVENTS)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_any_history_of_waiting_gives_the_bits_of_a_fresh_apply(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    merger = FailingMerger(monkeypatch)

    @settings(
        max_examples=300 if dtype == torch.float32 else 60, deadline=None, database=None,
        suppress_health_check=[HealthCheck.too_slow], derandomize=True,
    )
    @given(st.lists(WRITES, min_size=1, max_size=6))
    def run(history) -> None:
        model = sent_over(toy_model(dtype))
        checkpoint, last = snapshot(model), []
        patcher = Patcher(model)
        for stack, failing, event in history:
            last, merger.left = stack, failing
            try:
                patcher.apply(stack)
                happens(event, patcher)
            except PatchError:
                assert_same_bits(snapshot(model), checkpoint)
                assert hooks(model) == 0
                last = []
            merger.left = None
            last = [] if event == "restore" else last
        patcher.apply(last)
        call(model)
        fresh = toy_model(dtype)
        Patcher(fresh).apply(last)
        assert_same_bits(snapshot(model), snapshot(fresh))
        patcher.restore()
        assert_same_bits(snapshot(model), checkpoint)
        assert hooks(model) == 0

    run()


def happens(event: str, patcher: Patcher) -> None:
    if event == "call":
        call(patcher.model)
    elif event == "some":
        call(patcher.model, "proj", "first")
    elif event == "spare":
        patcher.release_spare()
    elif event == "base":
        patcher.release_base(700)
    elif event == "restore":
        patcher.restore()
    elif event == "move":
        for part in patcher.model.components.values():
            for one in part.root.parameters():
                one.data = one.data.clone()


def test_a_write_that_fails_on_arrival_is_told_and_every_weight_is_the_checkpoints(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    merger = FailingMerger(monkeypatch)
    model = sent_over(toy_model())
    before = snapshot(model)
    patcher = Patcher(model)
    told: list[PatchError] = []
    patcher.failed = told.append
    patcher.apply(BOTH)
    merger.left = 2
    call(model)
    assert "no memory left" in str(told[0])
    assert len(told) == 1
    assert not patcher.active
    assert_same_bits(snapshot(model), before)


def test_a_layer_that_left_the_model_keeps_what_others_gave_it() -> None:
    model = sent_over(toy_model())
    patcher = Patcher(model)
    patcher.apply(BOTH)
    unet = model.components["unet"].root
    kept = torch.randn(16, 24)
    old, unet.proj = unet.proj, nn.Linear(24, 16)
    old.weight.data = kept.clone()
    old(torch.zeros(2, 24))
    assert torch.equal(old.weight, kept)


def test_the_last_layer_of_torchs_attention_is_written_before_the_attention_is_called() -> None:
    # nn.MultiheadAttention reads out_proj.weight and never calls out_proj
    root, table = nn.Module(), Builder()
    root.add_module("attention", nn.MultiheadAttention(10, 2))
    table.linear("out", "attention.out_proj", 10, 10)
    part = BoundComponent("te", root, Architecture("one", "te", tuple(table.leaves)), "native")
    patcher = Patcher(BoundModel({"te": part}, computes_on="cuda"))
    patcher.apply([StackEntry(network("a", {"te.out": {"diff": torch.ones(10, 10)}}))])
    last = root.attention.out_proj.weight
    base = last.detach().clone()
    assert patcher.work.slots_waiting == 1
    given_ = torch.ones(3, 1, 10)
    root.attention(given_, given_, given_)
    assert torch.equal(last, base + 1.0)


def test_a_compiled_part_does_not_wait() -> None:
    model = sent_over(toy_model())
    model.components["unet"].root._compiled_call_impl = lambda *_: None
    patcher = Patcher(model)
    patcher.apply([StackEntry(NETWORKS[0])])
    assert patcher.work.slots_waiting == 1
    assert patcher.work.slots_rebuilt == 3


def test_a_parameter_that_no_layer_calls_does_not_wait() -> None:
    model = sent_over(toy_model())
    text = model.components["te"].root

    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(10, 10))

    text.first = Odd()
    patcher = Patcher(model)
    patcher.apply([StackEntry(network("d", {"te.first": {"diff": torch.ones(10, 10)}}))])
    assert torch.equal(parameter(model, "te.first.weight"), torch.ones(10, 10))


def test_a_model_may_outlive_who_put_networks_on_it() -> None:
    model = sent_over(toy_model())
    patcher = Patcher(model)
    patcher.apply(BOTH)
    gone = weakref.ref(patcher)
    del patcher
    gc.collect()
    assert gone() is None
    before = snapshot(model)
    call(model)
    assert_same_bits(snapshot(model), before)
