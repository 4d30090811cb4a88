"""The patcher's arithmetic and its work, on real torch layers."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from loradex.networks.merge import segments  # noqa: E402
from loradex.networks.patcher import Patcher, StackEntry  # noqa: E402

from tests.networks.enginekit import (  # noqa: E402
    SHAPES,
    assert_same_bits,
    bits,
    lora,
    lora_parts,
    network,
    parameter,
    snapshot,
    toy_model,
)

pytestmark = pytest.mark.torch

DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def oracle(base: torch.Tensor, *terms: tuple[dict[str, torch.Tensor], float]) -> torch.Tensor:
    """base + sum of strength * alpha / rank * up @ down, in fp64."""
    total = base.detach().double().clone()
    for parts, strength in terms:
        up, down = parts["up"].double().flatten(1), parts["down"].double().flatten(1)
        scale = float(parts["alpha"]) / down.shape[0]
        total += (strength * scale * (up @ down)).reshape(total.shape)
    return total


def assert_exact(live: torch.Tensor, exact: torch.Tensor, base: torch.Tensor) -> None:
    """fp32: relative error <= 1e-6; 16 bit: the oracle rounded once on >= 99.99 % of elements."""
    if live.dtype == torch.float32:
        assert float((live.double() - exact).norm() / exact.norm()) <= 1e-6
        return
    once = exact.to(live.dtype)
    assert int((live != once).sum()) <= max(1, live.numel() // 10_000)
    assert torch.allclose(live.double(), once.double(), rtol=2.0**-7)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("strength", [1.0, 0.5, -0.7])
@pytest.mark.parametrize("name", ["proj", "conv", "point"])
def test_a_network_is_added_exactly(name: str, strength: float, dtype: torch.dtype) -> None:
    model = toy_model(dtype)
    weight = parameter(model, f"unet.{name}.weight")
    base = weight.detach().clone()
    parts = lora_parts(SHAPES[f"denoiser.{name}"])
    stack = [StackEntry(network("a", {f"denoiser.{name}": parts}), 1.0, strength)]
    Patcher(model).apply(stack)
    assert_exact(weight.detach(), oracle(base, (parts, strength)), base)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_large_16_bit_weights_are_rounded_once_block_by_block(dtype: torch.dtype) -> None:
    model = toy_model()
    unet = model.components["unet"].root
    unet.proj = torch.nn.Linear(1536, 1600).to(dtype)  # more than one block of scratch
    base = unet.proj.weight.detach().clone()
    one, two = lora_parts(base.shape, 8, 1, 0.02), lora_parts(base.shape, 16, 2, 0.02)
    stack = [
        StackEntry(network("a", {"denoiser.proj": one}), 1.0, 0.8),
        StackEntry(network("b", {"denoiser.proj": two}), 1.0, -0.3),
    ]
    Patcher(model).apply(stack)
    assert_exact(unet.proj.weight.detach(), oracle(base, (one, 0.8), (two, -0.3)), base)


def test_a_channels_last_convolution_gets_the_same_values_and_keeps_its_format() -> None:
    plain, last = toy_model(), toy_model()
    last.components["unet"].root.to(memory_format=torch.channels_last)
    stack = [StackEntry(lora("a", "denoiser.conv", "denoiser.point"), 1.0, 0.9)]
    for model in (plain, last):
        Patcher(model).apply(stack)
    weight = parameter(last, "unet.conv.weight")
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(weight, parameter(plain, "unet.conv.weight"), rtol=0, atol=1e-7)


def test_a_weight_that_is_no_dense_matrix_is_written_exactly() -> None:
    model = toy_model()
    weight = parameter(model, "unet.proj.weight")
    weight.data = torch.randn(24, 16).t()
    base = weight.detach().clone()
    parts = lora_parts(SHAPES["denoiser.proj"])
    Patcher(model).apply([StackEntry(network("a", {"denoiser.proj": parts}))])
    assert_exact(weight.detach(), oracle(base, (parts, 1.0)), base)


def test_only_q_and_v_of_a_fused_projection_are_applied_and_k_keeps_its_bits() -> None:
    model = toy_model()
    weight = parameter(model, "unet.qkv.weight")
    base = weight.detach().clone()
    net = lora("a", "denoiser.to_q", "denoiser.to_v")
    report = Patcher(model).apply([StackEntry(net)])
    assert report.lines()[0].startswith("a  unet 2/2  ")
    assert torch.equal(bits(weight[10:20]), bits(base[10:20]))
    for index, rows in ((0, slice(0, 10)), (1, slice(20, 30))):
        parts = lora_parts((10, 12), 4, index)
        assert_exact(weight[rows].detach(), oracle(base[rows], (parts, 1.0)), base)


def test_split_and_fused_networks_meet_in_one_weight() -> None:
    model = toy_model()
    weight = parameter(model, "unet.qkv.weight")
    base = weight.detach().clone()
    whole, query = lora_parts((30, 12), 4, 5), lora_parts((10, 12), 2, 6)
    Patcher(model).apply([
        StackEntry(network("a", {"denoiser.qkv": whole}), 1.0, 0.4),
        StackEntry(network("b", {"denoiser.to_q": query}), 1.0, 1.5),
    ])
    exact = oracle(base, (whole, 0.4))
    exact[:10] = oracle(exact[:10].float(), (query, 1.5))
    assert_exact(weight.detach(), exact, base)


def test_the_order_of_the_networks_never_changes_a_bit() -> None:
    names = ("denoiser.proj", "denoiser.conv", "te.first")
    nets = [lora(f"n{i}", *names, seed=10 * i, rank=2 + i) for i in range(4)]
    stack = [StackEntry(net, 0.3 * i - 0.5, 0.7 - 0.2 * i) for i, net in enumerate(nets)]
    found = []
    for order in (stack, stack[::-1], [stack[i] for i in (2, 0, 3, 1)]):
        model = toy_model()
        Patcher(model).apply(order)
        found.append(snapshot(model))
    assert_same_bits(found[1], found[0])
    assert_same_bits(found[2], found[0])


def test_the_same_network_twice_adds_its_strengths() -> None:
    # AUTOMATIC1111 keeps one object per file, so the last strength counts for both
    net = lora("a", "denoiser.proj", "te.first")
    twice, once = toy_model(), toy_model()
    report = Patcher(twice).apply([StackEntry(net, 0.5, 0.5), StackEntry(net, 0.25, 0.25)])
    Patcher(once).apply([StackEntry(net, 0.75, 0.75)])
    assert_same_bits(snapshot(twice), snapshot(once))
    assert len(report.applied) == 1
    assert "add up" in report.applied[0].notes[-1]


def test_equal_and_opposite_strengths_leave_the_checkpoint() -> None:
    net, model = lora("a", "denoiser.proj"), toy_model()
    before = snapshot(model)
    patcher = Patcher(model)
    patcher.apply([StackEntry(net, 0.3, 0.3), StackEntry(net, -0.3, -0.3)])
    assert_same_bits(snapshot(model), before)
    assert patcher.work.bytes_written == 0


def test_a_strength_of_zero_writes_nothing_and_says_off() -> None:
    model = toy_model()
    patcher = Patcher(model)
    report = patcher.apply([StackEntry(lora("a", "denoiser.proj"), 0.0, 0.0)])
    assert report.lines() == ["a  off (strength 0)"]
    assert patcher.work.bytes_written == 0
    assert not patcher.active


def test_dyn_dim_takes_the_first_ranks_of_a_network() -> None:
    model = toy_model()
    weight = parameter(model, "unet.proj.weight")
    base = weight.detach().clone()
    parts = lora_parts(SHAPES["denoiser.proj"])
    Patcher(model).apply([StackEntry(network("a", {"denoiser.proj": parts}), 1.0, 1.0, 2)])
    cut = {"up": parts["up"][:, :2] * 0.5, "down": parts["down"][:2], "alpha": torch.tensor(2.0)}
    assert_exact(weight.detach(), oracle(base, (cut, 1.0)), base)


def test_networks_without_factors_are_summed_from_the_pristine_weight() -> None:
    model = toy_model()
    weight = parameter(model, "unet.bare.weight")
    base = weight.detach().clone()
    full = {"diff": torch.randn(16, 16) * 0.01}
    parts = lora_parts((16, 16))
    Patcher(model).apply([
        StackEntry(network("a", {"denoiser.bare": full}), 1.0, 0.5),
        StackEntry(network("b", {"denoiser.bare": parts}), 1.0, 0.25),
    ])
    exact = oracle(base, (parts, 0.25)) + 0.5 * full["diff"].double()
    assert_exact(weight.detach(), exact, base)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_bias_for_a_layer_without_one_is_added_and_taken_away(dtype: torch.dtype) -> None:
    # AUTOMATIC1111 fails at the second forward, and in fp16 at the first
    model = toy_model(dtype)
    module = model.components["unet"].root.bare
    before = snapshot(model)
    parts = {"diff": torch.randn(16, 16) * 0.01, "diff_b": torch.randn(16)}
    patcher = Patcher(model)
    for strength in (1.0, 0.5, 0.5):
        patcher.apply([StackEntry(network("a", {"denoiser.bare": parts}), 1.0, strength)])
        assert torch.equal(module.bias, (parts["diff_b"] * strength).to(dtype))
        if dtype is not torch.float16:  # torch 2.1 has no fp16 product on the CPU
            assert module(torch.zeros(2, 16, dtype=dtype)).shape == (2, 16)
    patcher.restore()
    assert module.bias is None
    assert_same_bits(snapshot(model), before)


def test_a_bias_delta_is_added_to_an_existing_bias() -> None:
    # SD.Next's backup mode computes the bias and never assigns it
    model = toy_model()
    bias = parameter(model, "unet.proj.bias")
    base = bias.detach().clone()
    parts = {"diff": torch.zeros(16, 24), "diff_b": torch.randn(16)}
    patcher = Patcher(model)
    patcher.apply([StackEntry(network("a", {"denoiser.proj": parts}), 1.0, 2.0)])
    assert torch.allclose(bias, base + 2 * parts["diff_b"])
    patcher.restore()
    assert torch.equal(bits(bias), bits(base))


def test_a_norm_network_changes_weight_and_bias_of_a_norm() -> None:
    model = toy_model()
    norm = model.components["unet"].root.norm
    parts = {"w_norm": torch.randn(16), "b_norm": torch.randn(16)}
    patcher = Patcher(model)
    patcher.apply([StackEntry(network("a", {"denoiser.norm": parts}), 1.0, 0.5)])
    assert torch.allclose(norm.weight, 1 + 0.5 * parts["w_norm"])
    assert torch.allclose(norm.bias, 0.5 * parts["b_norm"])


def test_a_text_encoder_change_rebuilds_no_unet_weight() -> None:
    # AUTOMATIC1111 keeps one key per network, so it computes the UNet again as well
    model = toy_model()
    net = lora("a", "denoiser.proj", "denoiser.conv", "te.first")
    patcher = Patcher(model)
    patcher.apply([StackEntry(net, 1.0, 1.0)])
    assert patcher.work.slots_rebuilt == 3
    patcher.apply([StackEntry(net, 0.5, 1.0)])
    assert patcher.work.slots_rebuilt == 1
    assert patcher.work.bytes_written == 10 * 10 * 4


def test_the_same_stack_again_writes_nothing() -> None:
    model = toy_model()
    stack = [StackEntry(lora("a", "denoiser.proj"), 1.0, 0.3)]
    patcher = Patcher(model)
    patcher.apply(stack)
    before = snapshot(model)
    report = patcher.apply(stack)
    assert (patcher.work.slots_rebuilt, patcher.work.bytes_written, patcher.work.gemms) == (0, 0, 0)
    assert_same_bits(snapshot(model), before)
    assert report.lines()[0].startswith("a  unet 1/1")


def test_weights_that_no_network_touches_are_never_copied() -> None:
    # AUTOMATIC1111 backs up and copies back every layer of the model
    model = toy_model()
    addresses = {n: p.data_ptr() for n, p in model.components["unet"].root.named_parameters()}
    patcher = Patcher(model)
    patcher.apply([StackEntry(lora("a", "denoiser.proj"))])
    moved = {
        n for n, p in model.components["unet"].root.named_parameters()
        if p.data_ptr() != addresses[n]
    }
    assert moved == {"proj.weight"}
    assert patcher.work.bytes_allocated == 16 * 24 * 4


def test_five_networks_write_as_much_as_one() -> None:
    names = ("denoiser.proj", "denoiser.conv")
    counts = []
    for number in (1, 5):
        patcher = Patcher(toy_model())
        patcher.apply([StackEntry(lora(f"n{i}", *names, seed=i)) for i in range(number)])
        counts.append((patcher.work.bytes_written, patcher.work.gemms, patcher.work.slots_rebuilt))
    assert counts[0] == counts[1]


def test_buffers_pass_from_one_network_to_the_next() -> None:
    model = toy_model()
    patcher = Patcher(model)
    patcher.apply([StackEntry(lora("a", "denoiser.to_q"))])
    patcher.restore()
    patcher.apply([StackEntry(lora("b", "denoiser.to_v"))])
    assert patcher.work.bytes_allocated == 0
    assert patcher.release_spare() == 0
    patcher.restore()
    assert patcher.release_spare() == 30 * 12 * 4


def test_extra_memory_never_exceeds_what_one_stack_touches() -> None:
    model = toy_model()
    patcher = Patcher(model)
    patcher.apply([StackEntry(lora("a", "denoiser.proj"))])
    patcher.apply([StackEntry(lora("b", "denoiser.conv"))])
    patcher.restore()
    assert patcher.release_spare() == 8 * 4 * 9 * 4


def test_autocast_inference_mode_and_low_precision_switches_change_nothing() -> None:
    plain, hosted = toy_model(), toy_model()
    stack = [StackEntry(lora("a", "denoiser.proj", "denoiser.conv", "te.first"), 0.4, 0.8)]
    Patcher(plain).apply(stack)
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
            Patcher(hosted).apply(stack)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
    assert_same_bits(snapshot(hosted), snapshot(plain))
    assert not parameter(hosted, "unet.proj.weight").is_inference()


def test_parameters_made_in_inference_mode_are_patched_and_restored() -> None:
    with torch.inference_mode():
        model = toy_model()
    before = snapshot(model)
    patcher = Patcher(model)
    for strength in (1.0, 0.5):
        patcher.apply([StackEntry(lora("a", "denoiser.proj", "te.first"), strength, strength)])
        assert patcher.work.slots_rebuilt == 2
    patcher.restore()
    assert_same_bits(snapshot(model), before)


def test_layers_made_in_inference_mode_compute_with_networks_on() -> None:
    with torch.inference_mode():
        model = toy_model()
        row = torch.randn(2, 24)
    plain = toy_model()
    stack = [StackEntry(lora("a", "denoiser.proj"), 0.4, 0.8)]
    patcher = Patcher(model)
    patcher.apply(stack)
    Patcher(plain).apply(stack)
    weight = parameter(model, "unet.proj.weight")
    with torch.inference_mode():
        torch.nn.functional.linear(row, weight)
    assert weight.is_inference()
    assert torch.equal(weight, parameter(plain, "unet.proj.weight"))
    patcher.restore()
    with torch.inference_mode():
        torch.nn.functional.linear(row, weight)


def test_a_model_may_hold_tensors_of_both_modes() -> None:
    model = toy_model()
    with torch.inference_mode():
        made = toy_model().components["te"].root.first.weight
    model.components["te"].root.first.weight = made
    before = snapshot(model)
    patcher = Patcher(model)
    both = [StackEntry(lora("a", "denoiser.proj", "te.first"))]
    for stack in (both, [StackEntry(lora("b", "denoiser.proj"), 0.5, 0.5)], both):
        patcher.apply(stack)
    assert made.is_inference()
    assert not parameter(model, "unet.proj.weight").is_inference()
    patcher.restore()
    assert_same_bits(snapshot(model), before)


def test_requires_grad_stays_as_it_was() -> None:
    model = toy_model()
    weight = parameter(model, "unet.proj.weight")
    other = parameter(model, "unet.conv.weight").requires_grad_(False)
    patcher = Patcher(model)
    patcher.apply([StackEntry(lora("a", "denoiser.proj", "denoiser.conv"))])
    assert weight.requires_grad
    assert not other.requires_grad
    assert parameter(model, "unet.proj.weight") is weight


def test_segments_cover_every_row_once() -> None:
    model, found = toy_model(), []
    patcher = Patcher(model)
    stack = [StackEntry(lora("a", "denoiser.to_q", "denoiser.qkv"))]
    patcher.apply(stack)
    recipe = next(iter(patcher.plan(stack[0].network).edits)).place
    slot = patcher._slots[recipe]
    found = [(a, b, len(steps)) for a, b, steps in segments(30, slot.recipe.steps)]
    assert found == [(0, 10, 2), (10, 30, 1)]
