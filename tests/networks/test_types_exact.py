"""Every type against the fp64 oracle, at full and at half precision."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from loradex.networks.types import build_module  # noqa: E402

from tests.networks.type_cases import LARGE, SMALL, Case, all_cases  # noqa: E402

pytestmark = pytest.mark.torch

STRENGTHS = (1.0, 0.5, -0.7)
DELTA_BOUND, WEIGHT_BOUND = 5e-7, 1e-7
"""Measured: at most 2.4e-7 (DoRA) of a delta that is 1.7 % of the weight, 5.2e-8 of W'."""


def relative(got: torch.Tensor, want: torch.Tensor) -> float:
    error = torch.linalg.vector_norm(got.double() - want)
    return float(error / torch.linalg.vector_norm(want))


@pytest.mark.parametrize("name", all_cases())
def test_the_usual_delta_is_exact_in_fp32(name: str) -> None:
    check_fp32(all_cases()[name])


@pytest.mark.parametrize("name", all_cases())
def test_a_large_delta_is_exact_in_fp32(name: str) -> None:
    check_fp32(all_cases(std=LARGE)[name])


@pytest.mark.parametrize("name", all_cases())
def test_factors_stored_in_bf16_are_used_as_they_are(name: str) -> None:
    check_fp32(all_cases(dtype=torch.bfloat16)[name])


def check_fp32(case: Case) -> None:
    weight = case.weight()
    module = build_module(case.parts, case.hints)
    assert module.fits(case.weight_shape)
    assert module.notes == ()
    delta = module.delta(weight)
    assert (delta.dtype, delta.shape) == (torch.float32, weight.shape)
    whole = case.merged(case.parts, weight.double())
    assert relative(delta, whole - weight.double()) <= DELTA_BOUND
    for strength in STRENGTHS:
        want = weight.double() + strength * (whole - weight.double())
        assert relative(weight + strength * delta, want) <= WEIGHT_BOUND


@pytest.mark.parametrize("name", all_cases())
def test_only_low_rank_deltas_offer_factors(name: str) -> None:
    case = all_cases(256)[name]
    offered = build_module(case.parts, case.hints).factors() is not None
    low_rank = ("lora", "embedding", "lokr-w2", "lokr-both", "lokr-conv", "lokr-tucker", "loha")
    assert offered == (case.name.startswith(low_rank) and case.name != "lokr-conv-whole")


@pytest.mark.parametrize("name", [
    "lora", "lora-conv3x3", "lora-tucker", "lokr-w2", "lokr-both", "lokr-conv", "lokr-tucker",
    "embedding", "loha",
])
def test_low_rank_factors_are_the_delta_and_belong_to_the_caller(name: str) -> None:
    case = all_cases(256, SMALL, torch.float16)[name]
    module, weight = build_module(case.parts, case.hints), case.weight()
    found = module.factors()
    assert found is not None
    before = {role: tensor.clone() for role, tensor in case.parts.items()}
    for factor in found:
        assert factor.dtype == torch.float32
        assert factor.is_contiguous()
        assert factor.data_ptr() % 64 == 0
    delta = (found[0] @ found[1]).reshape(weight.shape)
    torch.testing.assert_close(delta, module.delta(weight), rtol=1e-4, atol=1e-8)
    for factor in found:
        factor.fill_(9.0)
    assert all(torch.equal(before[role], case.parts[role]) for role in before)


@pytest.mark.parametrize("name", all_cases())
def test_the_files_tensors_and_the_weight_are_never_written(name: str) -> None:
    case = all_cases()[name]
    before = {role: tensor.clone() for role, tensor in case.parts.items()}
    weight, kept = case.weight(), case.weight()
    module = build_module(case.parts, case.hints)
    module.delta(weight).fill_(5.0)
    module.delta(weight)
    assert torch.equal(weight, kept)
    assert all(torch.equal(before[role], case.parts[role]) for role in before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["fp16", "bf16"])
@pytest.mark.parametrize("name", all_cases())
def test_half_weights_are_rounded_once(name: str, dtype: torch.dtype) -> None:
    case = all_cases(512, SMALL, torch.float16)[name]
    weight = case.weight().to(dtype)
    delta = build_module(case.parts, case.hints).delta(weight.float())
    whole = case.merged(case.parts, weight.double())
    for strength in STRENGTHS:
        want = weight.double() + strength * (whole - weight.double())
        got = (weight.float() + strength * delta).to(dtype)
        same = (got == want.to(dtype)).float().mean()
        assert float(same) >= 0.9999
