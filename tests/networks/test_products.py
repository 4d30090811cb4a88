"""16-bit factors on 16-bit weights: one product in that type, as exact as through fp32."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from loradex.networks import products  # noqa: E402
from loradex.networks.merge import exact_math  # noqa: E402
from loradex.networks.network import Network  # noqa: E402
from loradex.networks.patcher import Patcher, StackEntry  # noqa: E402

from tests.networks.enginekit import (  # noqa: E402
    SHAPES,
    assert_same_bits,
    bits,
    lora_parts,
    network,
    parameter,
    snapshot,
    toy_model,
)

pytestmark = pytest.mark.torch

NAMES = ("denoiser.proj", "denoiser.conv", "denoiser.to_q", "denoiser.to_v")
CPU = torch.device("cpu")


@pytest.fixture(params=(True, False), ids=("one rounding", "fp32 only"))
def capable(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[bool]:
    """A device with such products, and one without; torch computes them exactly on every CPU."""
    monkeypatch.setattr(products, "rounds_once", lambda device, dtype: request.param)
    return request.param


def stored(id_: str, dtype: torch.dtype, seed: int = 0) -> Network:
    """A network whose file holds this type."""
    parts = {
        name: {role: tensor.to(dtype) for role, tensor in
               lora_parts(SHAPES[name], seed=seed + index).items()}
        for index, name in enumerate(NAMES)
    }
    return network(id_, parts)


def rounded(base: torch.Tensor, terms: Mapping[Network, float], name: str) -> torch.Tensor:
    """The fp64 sum, rounded once."""
    exact = base.double().clone()
    for one, strength in terms.items():
        found = next(m.codec for m in one.modules if m.file_module.name == name)
        up, down = found.up.double().flatten(1), found.down.double().flatten(1)
        exact += (strength * found.scale * (up @ down)).reshape(exact.shape)
    return exact.to(base.dtype)


@pytest.mark.parametrize("file", [torch.bfloat16, torch.float16, torch.float32], ids=str)
@pytest.mark.parametrize("strengths", [(0.7,), (0.5, 0.5), (0.5, -0.5, 0.5), (0.9, 0.3)], ids=str)
def test_any_file_on_bf16_weights_is_the_exact_sum_rounded_once(
    strengths: tuple[float, ...], file: torch.dtype, capable: bool
) -> None:
    model = toy_model(torch.bfloat16)
    terms = {stored(f"n{i}", file, 9 * i): one for i, one in enumerate(strengths)}
    weights = {name: parameter(model, f"unet.{name.partition('.')[2]}.weight")
               for name in ("denoiser.proj", "denoiser.conv")}
    bases = {name: weight.detach().clone() for name, weight in weights.items()}
    Patcher(model).apply([StackEntry(one, 1.0, strength) for one, strength in terms.items()])
    for name, weight in weights.items():
        wrong = int((weight.detach() != rounded(bases[name], terms, name.partition(".")[2])).sum())
        assert wrong <= 1, name


@given(order=st.permutations(range(3)), first=st.sampled_from((0.5, 0.25)))
def test_the_order_of_equal_strengths_and_what_was_on_before_make_no_difference(
    order: list[int], first: float
) -> None:
    networks = [stored(f"n{i}", torch.bfloat16, 9 * i) for i in range(3)]
    model, other = toy_model(torch.bfloat16), toy_model(torch.bfloat16)
    before = snapshot(model)
    patcher = Patcher(model)
    patcher.apply([StackEntry(networks[order[0]], 1.0, 0.9)])
    patcher.apply([StackEntry(networks[i], 1.0, first) for i in order])
    Patcher(other).apply([StackEntry(one, 1.0, first) for one in networks])
    assert_same_bits(snapshot(model), snapshot(other))
    patcher.restore()
    assert_same_bits(snapshot(model), before)


def test_a_file_of_the_weights_own_type_needs_no_copy_of_its_factors(capable: bool) -> None:
    patcher, one = Patcher(toy_model(torch.bfloat16)), stored("a", torch.bfloat16)
    patcher.apply([StackEntry(one)])
    assert patcher.work.gemms == len(NAMES)
    assert (patcher.factor_bytes(one) == 0) is capable


def test_a_file_without_any_effect_keeps_the_weights_as_they_are(capable: bool) -> None:
    model = toy_model(torch.bfloat16)
    parts = {**lora_parts(SHAPES["denoiser.proj"]), "alpha": torch.tensor(0.0)}
    nothing = {role: tensor.bfloat16() for role, tensor in parts.items()}
    pair = [network(name, {"denoiser.proj": nothing}) for name in ("a", "b")]
    weight = parameter(model, "unet.proj.weight")
    before = bits(weight)
    Patcher(model).apply([StackEntry(one, 1.0, 0.5) for one in pair])
    assert torch.equal(bits(weight), before)


def test_fp16_that_leaves_its_range_is_still_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "rounds_once", lambda device, dtype: True)
    model, one = toy_model(torch.float16), stored("a", torch.float16)
    before = snapshot(model)
    with pytest.raises(Exception, match="fp16"):
        Patcher(model).apply([StackEntry(one, 1.0, 1e7)])
    assert_same_bits(snapshot(model), before)


def test_a_device_is_asked_by_trying_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_onednn_has_bf16", lambda: True)
    products.rounds_once.cache_clear()
    assert products.rounds_once(CPU, torch.bfloat16)
    real = torch.addmm
    monkeypatch.setattr(torch, "addmm", lambda base, up, down, alpha: base + alpha * (up @ down))
    products.rounds_once.cache_clear()
    assert not products.rounds_once(CPU, torch.bfloat16), "it rounds the product first"
    monkeypatch.setattr(torch, "addmm", real)
    products.rounds_once.cache_clear()


def test_a_processor_without_16_bit_units_computes_in_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_onednn_has_bf16", lambda: False)
    products.rounds_once.cache_clear()
    assert not products.rounds_once(CPU, torch.bfloat16)
    assert not products.rounds_once(CPU, torch.float16)
    products.rounds_once.cache_clear()


def test_sums_in_16_bit_are_off_on_cuda_while_weights_are_written() -> None:
    switches = torch.backends.cuda.matmul
    was = switches.allow_fp16_reduced_precision_reduction
    switches.allow_fp16_reduced_precision_reduction = True
    try:
        with exact_math(["cuda"]):
            assert not switches.allow_fp16_reduced_precision_reduction
        assert switches.allow_fp16_reduced_precision_reduction
    finally:
        switches.allow_fp16_reduced_precision_reduction = was
