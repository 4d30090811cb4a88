"""Live weights are a function of base and stack: whatever happened before, whatever fails."""

from __future__ import annotations

import threading

import pytest

torch = pytest.importorskip("torch")

from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from loradex.errors import PatchError  # noqa: E402
from loradex.networks.merge import Merger  # noqa: E402
from loradex.networks.patcher import Patcher, StackEntry  # noqa: E402
from torch import nn  # noqa: E402

from tests.networks.enginekit import (  # noqa: E402
    assert_same_bits,
    bits,
    lora,
    network,
    parameter,
    snapshot,
    toy_model,
)

pytestmark = pytest.mark.torch

EVERYWHERE = ("denoiser.proj", "denoiser.conv", "denoiser.to_v", "te.first")


def dora_parts() -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(9)
    return {
        "up": torch.randn(16, 4, generator=random) * 0.1,
        "down": torch.randn(4, 24, generator=random) * 0.1,
        "alpha": torch.tensor(4.0),
        "dora_scale": torch.rand(1, 24, generator=random) + 0.5,
    }


NETWORKS = (
    lora("a", *EVERYWHERE, seed=1),
    lora("b", "denoiser.proj", "denoiser.to_q", "te.second", seed=20, rank=2),
    network("c", {
        "denoiser.bare": {"diff": torch.full((16, 16), 0.01), "diff_b": torch.ones(16)},
        "denoiser.norm": {"w_norm": torch.ones(16), "b_norm": torch.ones(16)},
    }),
    network("d", {"denoiser.proj": dora_parts()}),
)

STRENGTHS = st.sampled_from((0.0, 1.0, 0.5, -0.7, 0.3, 1.5))
ENTRIES = st.builds(StackEntry, st.sampled_from(NETWORKS), STRENGTHS, STRENGTHS,
                    st.sampled_from((None, None, 2)))
STACKS = st.lists(ENTRIES, max_size=4)
# The write of this apply that fails (counted from 0), or none.
HISTORIES = st.lists(st.tuples(STACKS, st.none() | st.integers(0, 8)), min_size=1, max_size=6)


class FailingMerger:
    """Makes the k-th write of an apply fail after it has already spoilt the buffer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left: int | None = None
        self.monkeypatch = monkeypatch
        for name in ("weight", "bias"):
            monkeypatch.setattr(Merger, name, self.wrapped(getattr(Merger, name)))

    def wrapped(self, original):
        def write(merger, base, live, *rest):
            if self.left == 0:
                live.fill_(float("nan"))
                raise MemoryError("no memory left")
            if self.left is not None:
                self.left -= 1
            original(merger, base, live, *rest)

        return write


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_any_history_gives_the_bits_of_a_fresh_apply(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1,000 random sequences in fp32 and some in 16 bit: add, remove, reorder, duplicates, zeros,
    other strengths, failures injected at any write."""
    merger = FailingMerger(monkeypatch)

    @settings(
        max_examples=1000 if dtype == torch.float32 else 100, deadline=None, database=None,
        suppress_health_check=[HealthCheck.too_slow], derandomize=True,
    )
    @given(HISTORIES, st.booleans())
    def run(history, release) -> None:
        model = toy_model(dtype)
        checkpoint = snapshot(model)
        patcher = Patcher(model)
        for stack, failing in history:
            merger.left = failing
            try:
                patcher.apply(stack)
                last = stack
            except PatchError:
                assert_same_bits(snapshot(model), checkpoint)
                last = []
            merger.left = None
            if release:
                patcher.release_spare()
        fresh = toy_model(dtype)
        Patcher(fresh).apply(last)
        assert_same_bits(snapshot(model), snapshot(fresh))
        patcher.restore()
        assert_same_bits(snapshot(model), checkpoint)

    run()


@pytest.mark.parametrize("failing", range(6))
def test_a_write_that_fails_restores_every_weight_and_names_the_cause(
    failing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # AUTOMATIC1111 swallows RuntimeErrors, out of memory included, and marks the layer as done
    merger = FailingMerger(monkeypatch)
    model = toy_model()
    before = snapshot(model)
    patcher = Patcher(model)
    stack = [StackEntry(NETWORKS[0]), StackEntry(NETWORKS[2])]
    merger.left = failing
    with pytest.raises(PatchError, match="MemoryError: no memory left") as caught:
        patcher.apply(stack)
    assert isinstance(caught.value.__cause__, MemoryError)
    assert_same_bits(snapshot(model), before)
    assert not patcher.active
    merger.left = None
    patcher.apply(stack)
    fresh = toy_model()
    Patcher(fresh).apply(stack)
    assert_same_bits(snapshot(model), snapshot(fresh))


def test_an_interrupt_while_writing_restores_and_goes_on_as_an_interrupt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    model = toy_model()
    before = snapshot(model)
    patcher = Patcher(model)
    patcher.apply([StackEntry(NETWORKS[0])])
    monkeypatch.setattr(Merger, "weight", interrupt)
    with pytest.raises(KeyboardInterrupt):
        patcher.apply([StackEntry(NETWORKS[1])])
    assert_same_bits(snapshot(model), before)


def test_fp16_overflow_is_told_and_leaves_the_checkpoint() -> None:
    model = toy_model(torch.float16)
    before = snapshot(model)
    huge = network("huge", {"denoiser.bare": {"diff": torch.full((16, 16), 70_000.0)}})
    with pytest.raises(PatchError, match="above fp16's 65504"):
        Patcher(model).apply([StackEntry(huge)])
    assert_same_bits(snapshot(model), before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_strength_changes_and_removal_leave_nothing_behind(dtype: torch.dtype) -> None:
    # SD.Next in fuse mode subtracts the new strength from the old sum: 0.8 -> 0.3 -> 1.2 stays 0.8,
    # and subtracts a DoRA delta of the merged weight, which leaves most of it behind
    model = toy_model(dtype)
    before = snapshot(model)
    patcher = Patcher(model)
    for strength in (0.8, 0.3, 1.2):
        patcher.apply([StackEntry(net, strength, strength) for net in NETWORKS])
    fresh = toy_model(dtype)
    Patcher(fresh).apply([StackEntry(net, 1.2, 1.2) for net in NETWORKS])
    assert_same_bits(snapshot(model), snapshot(fresh))
    patcher.apply([])
    assert_same_bits(snapshot(model), before)


def test_a_hundred_networks_after_each_other_leave_no_drift() -> None:
    # LyCORIS' onfly_restore on a CPU restores nothing: its backup is the live tensor itself
    model = toy_model(torch.float16)
    before = snapshot(model)
    patcher = Patcher(model)
    for seed in range(100):
        patcher.apply([StackEntry(lora(f"n{seed}", *EVERYWHERE, seed=seed))])
    patcher.restore()
    assert_same_bits(snapshot(model), before)


def test_every_one_of_several_networks_counts() -> None:
    # AUTOMATIC1111 with fp8 and a cached fp16 weight keeps the last network only
    model = toy_model()
    weight = parameter(model, "unet.proj.weight")
    base = weight.detach().clone()
    deltas = []
    for net in (NETWORKS[0], NETWORKS[1]):
        other = toy_model()
        Patcher(other).apply([StackEntry(net)])
        deltas.append(parameter(other, "unet.proj.weight").detach() - base)
    Patcher(model).apply([StackEntry(NETWORKS[0]), StackEntry(NETWORKS[1])])
    assert torch.allclose(weight.detach() - base, deltas[0] + deltas[1], atol=1e-6)


def test_a_file_that_was_replaced_under_its_name_is_applied_again() -> None:
    # AUTOMATIC1111's key is the name and the strengths
    model, fresh = toy_model(), toy_model()
    patcher = Patcher(model)
    parts = {"denoiser.proj": {"diff": torch.ones(16, 24)}}
    patcher.apply([StackEntry(network("a", parts, mtime_ns=1))])
    other = network("a", {"denoiser.proj": {"diff": torch.zeros(16, 24) + 2}}, mtime_ns=2)
    patcher.apply([StackEntry(other)])
    Patcher(fresh).apply([StackEntry(other)])
    assert_same_bits(snapshot(model), snapshot(fresh))


def test_a_body_that_raises_inside_patched_leaves_the_checkpoint() -> None:
    model = toy_model()
    before = snapshot(model)
    patcher = Patcher(model)
    weight = parameter(model, "unet.proj.weight")

    def body() -> None:
        with patcher.patched([StackEntry(NETWORKS[0])]) as report:
            assert report.applied[0].components["unet"].matched == 3
            assert not torch.equal(bits(weight), before["unet.proj.weight"])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        body()
    assert_same_bits(snapshot(model), before)


def test_weights_that_another_tool_loads_become_the_base_and_it_is_said() -> None:
    model, fresh = toy_model(), toy_model()
    patcher = Patcher(model)
    patcher.apply([StackEntry(NETWORKS[0])])
    loaded = toy_model(seed=5)
    for one in (model, fresh):
        for name, part in one.components.items():
            part.root.load_state_dict(loaded.components[name].root.state_dict())
    report = patcher.apply([StackEntry(NETWORKS[0])])
    assert "replaced by another tool" in "\n".join(report.lines())
    Patcher(fresh).apply([StackEntry(NETWORKS[0])])
    assert_same_bits(snapshot(model), snapshot(fresh))
    patcher.restore()
    assert_same_bits(snapshot(model), snapshot(loaded))


def test_restoring_never_writes_an_old_base_over_new_weights() -> None:
    model = toy_model()
    patcher = Patcher(model)
    patcher.apply([StackEntry(NETWORKS[0])])
    module = model.components["unet"].root.proj
    new = torch.randn(16, 24)
    module.weight = nn.Parameter(new.clone())
    patcher.restore()
    assert torch.equal(bits(module.weight), bits(new))
    assert torch.equal(bits(parameter(model, "unet.conv.weight")),
                       bits(parameter(toy_model(), "unet.conv.weight")))


def test_a_module_that_was_taken_out_of_the_model_gets_its_weights_back() -> None:
    model = toy_model()
    patcher = Patcher(model)
    patcher.apply([StackEntry(NETWORKS[0])])
    unet = model.components["unet"].root
    old, unet.proj = unet.proj, nn.Linear(24, 16)
    patcher.apply([StackEntry(NETWORKS[0])])
    assert torch.equal(bits(old.weight), bits(toy_model().components["unet"].root.proj.weight))
    assert patcher.work.slots_rebuilt == 1


def test_a_cast_model_keeps_its_networks_and_can_still_be_restored() -> None:
    model, fresh = toy_model(), toy_model()
    patcher = Patcher(model)
    patcher.apply([StackEntry(NETWORKS[0])])
    for one in (model, fresh):
        for part in one.components.values():
            part.root.to(torch.bfloat16)
    report = patcher.apply([StackEntry(NETWORKS[0])])
    assert not report.notes
    before = snapshot(fresh)
    Patcher(fresh).apply([StackEntry(NETWORKS[0])])
    assert_same_bits(snapshot(model), snapshot(fresh))
    patcher.restore()
    assert_same_bits(snapshot(model), before)


def test_a_bias_that_a_network_brings_is_as_the_layer_is_now() -> None:
    model, fresh = toy_model(), toy_model()
    patcher = Patcher(model)
    patcher.apply([StackEntry(NETWORKS[2])])
    patcher.restore()
    for one in (model, fresh):
        one.components["unet"].root.to(torch.bfloat16)
    patcher.apply([StackEntry(NETWORKS[2])])
    Patcher(fresh).apply([StackEntry(NETWORKS[2])])
    assert parameter(model, "unet.bare.bias").dtype == torch.bfloat16
    assert_same_bits(snapshot(model), snapshot(fresh))


def test_a_model_that_changes_its_memory_format_keeps_it_through_restore() -> None:
    model = toy_model()
    before = snapshot(model)
    patcher = Patcher(model)
    patcher.apply([StackEntry(NETWORKS[0])])
    model.components["unet"].root.to(memory_format=torch.channels_last)
    patcher.restore()
    weight = parameter(model, "unet.conv.weight")
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert_same_bits(snapshot(model), before)


def test_tied_weights_are_one_weight() -> None:
    model = toy_model()
    text = model.components["te"].root
    text.second = nn.Linear(10, 10)
    text.second.weight = text.first.weight
    before = snapshot(model)
    base = text.first.weight.detach().clone()
    parts = {"diff": torch.full((10, 10), 0.5)}
    patcher = Patcher(model)
    patcher.apply([StackEntry(network("a", {"te.first": parts, "te.second": parts}))])
    assert text.second.weight is text.first.weight
    assert torch.allclose(text.first.weight, base + 1.0)
    assert patcher.work.slots_rebuilt == 1
    patcher.restore()
    assert_same_bits(snapshot(model), before)


def test_two_threads_never_see_half_a_stack() -> None:
    model = toy_model()
    patcher = Patcher(model)
    expected = []
    for net in NETWORKS[:2]:
        fresh = toy_model()
        Patcher(fresh).apply([StackEntry(net)])
        expected.append(snapshot(fresh))
    rounds: list[int] = []

    def run(index: int) -> None:
        for _ in range(30):
            with patcher.lock, patcher.patched([StackEntry(NETWORKS[index])]):
                assert_same_bits(snapshot(model), expected[index])
            rounds.append(index)

    threads = [threading.Thread(target=run, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rounds) == 60
    assert_same_bits(snapshot(model), snapshot(toy_model()))
