"""Any rank, shape and factorization: the delta is the oracle's, whatever the file holds."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from loradex.networks.types import build_module  # noqa: E402
from torch import Tensor  # noqa: E402

from tests.networks import oracle  # noqa: E402

pytestmark = pytest.mark.torch

sizes, ranks, seeds = st.integers(1, 24), st.integers(1, 9), st.integers(0, 2**31)
kernels = st.sampled_from([(), (1, 1), (3, 3), (1, 3), (5,)])
dtypes = st.sampled_from([torch.float32, torch.float16, torch.bfloat16, torch.float64])
alphas = st.one_of(st.none(), st.floats(0.1, 64))
FEW = settings(max_examples=40)


class Random:
    """Normal tensors out of a seed, in the dtype that the file has."""

    def __init__(self, seed: int, dtype: torch.dtype) -> None:
        self.made, self.dtype = torch.Generator().manual_seed(seed), dtype

    def __call__(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.made).to(self.dtype)


def with_alpha(parts: dict[str, Tensor], alpha: float | None) -> dict[str, Tensor]:
    return parts if alpha is None else parts | {"alpha": torch.tensor(alpha)}


def assert_exact(parts: dict[str, Tensor], shape: tuple[int, ...], merged: oracle.Merged) -> None:
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    module = build_module(parts)
    assert module.fits(shape)
    delta = module.delta(weight)
    want = merged(parts, weight.double()) - weight.double()
    scale = float(want.abs().max()) + float(weight.abs().max())
    assert float((delta.double() - want).abs().max()) <= 1e-5 * scale
    found = module.factors()
    if found is not None:
        up, down = found
        again = (up @ down).reshape(weight.shape)
        assert float((again.double() - want).abs().max()) <= 1e-5 * scale
        cut = module.rows(0, (shape[0] + 1) // 2).delta(weight[: (shape[0] + 1) // 2])
        torch.testing.assert_close(cut, delta[: len(cut)], rtol=1e-4, atol=1e-5 * scale)


@FEW
@given(sizes, sizes, ranks, kernels, dtypes, alphas, seeds)
def test_lora(out, inp, rank, kernel, dtype, alpha, seed) -> None:
    new, ones = Random(seed, dtype), (1,) * len(kernel)
    parts = with_alpha({"up": new(out, rank, *ones), "down": new(rank, inp, *kernel)}, alpha)
    assert_exact(parts, (out, inp, *kernel), oracle.added(oracle.lora_delta))


@FEW
@given(sizes, sizes, ranks, ranks, dtypes, alphas, seeds)
def test_tucker_cores_of_two_ranks(out, inp, outer, inner, dtype, alpha, seed) -> None:
    new = Random(seed, dtype)
    parts = {"up": new(out, outer, 1, 1), "mid": new(outer, inner, 3, 3),
             "down": new(inner, inp, 1, 1)}
    assert_exact(with_alpha(parts, alpha), (out, inp, 3, 3), oracle.added(oracle.lora_delta))


@FEW
@given(sizes, sizes, ranks, ranks, kernels, dtypes, alphas, seeds)
def test_loha(out, inp, rank1, rank2, kernel, dtype, alpha, seed) -> None:
    new = Random(seed, dtype)
    columns = inp * torch.Size(kernel).numel()
    parts = {"hada_w1_a": new(out, rank1), "hada_w1_b": new(rank1, columns),
             "hada_w2_a": new(out, rank2), "hada_w2_b": new(rank2, columns)}
    assert_exact(with_alpha(parts, alpha), (out, inp, *kernel), oracle.added(oracle.loha_delta))


@FEW
@given(
    st.tuples(ranks, ranks), st.tuples(ranks, ranks), st.integers(0, 3), st.integers(0, 3),
    st.sampled_from([(), (3, 3)]), st.booleans(), dtypes, alphas, seeds,
)
def test_lokr(w1, w2, rank1, rank2, kernel, tucker, dtype, alpha, seed) -> None:
    new, (a, c), (b, d) = Random(seed, dtype), w1, w2
    parts: dict[str, Tensor] = {}
    if rank1:
        parts |= {"lokr_w1_a": new(a, rank1), "lokr_w1_b": new(rank1, c)}
    else:
        parts["lokr_w1"] = new(a, c)
    if not rank2:
        parts["lokr_w2"] = new(b, d, *kernel)
    elif tucker and kernel:
        parts |= {"lokr_w2_a": new(rank2, b), "lokr_w2_b": new(rank2, d),
                  "lokr_t2": new(rank2, rank2, *kernel)}
    else:
        area = torch.Size(kernel).numel()
        parts |= {"lokr_w2_a": new(b, rank2), "lokr_w2_b": new(rank2, d * area)}
    shape = (a * b, c * d, *kernel)
    assert_exact(with_alpha(parts, alpha), shape, oracle.added(oracle.lokr_delta))


@FEW
@given(sizes, sizes, ranks, st.sampled_from([(), (3, 3)]), st.booleans(), dtypes, seeds)
def test_dora(out, inp, rank, kernel, on_output, dtype, seed) -> None:
    new, ones = Random(seed, dtype), (1,) * len(kernel)
    stored = (out, 1, *ones) if on_output else (1, inp, *ones)
    parts = {"up": new(out, rank, *ones), "down": new(rank, inp, *kernel),
             "alpha": torch.tensor(rank / 8), "dora_scale": new(*stored).abs() + 0.5}
    merged = oracle.dora(oracle.lora_delta, on_output=on_output or stored == (out, 1, *ones))
    if stored[:2] == (1, 1) and out != inp:
        merged = oracle.dora(oracle.lora_delta, on_output=out == 1)
    assert_exact(parts, (out, inp, *kernel), merged)


@FEW
@given(st.integers(1, 4), st.sampled_from([2, 4, 6]), st.integers(1, 9), st.floats(0, 0.1), seeds)
def test_boft_of_any_depth(stages, block, columns, alpha, seed) -> None:
    new, count = Random(seed, torch.float32), 2 ** (stages - 1)
    parts = {"oft_blocks": new(stages, count, block, block), "alpha": torch.tensor(alpha)}
    assert_exact(parts, (count * block, columns), oracle.boft)


@FEW
@given(st.integers(1, 4), st.integers(2, 9), st.integers(1, 9), seeds)
def test_peft_rotations_of_any_block(count, block, out, seed) -> None:
    new = Random(seed, torch.float32)
    packed = new(count, block * (block - 1) // 2) * 0.1
    assert_exact({"oft_r": packed}, (out, count * block), oracle.peft_oft())


@FEW
@given(st.binary(min_size=1, max_size=6), st.integers(0, 3))
def test_any_shapes_of_lora_factors_end_in_a_module_or_a_reason(raw, kernel) -> None:
    """Whatever dimensions a damaged file claims: never another exception, never a wrong shape."""
    from loradex.errors import NetworkError

    dims = [byte % 7 for byte in raw]
    up, down = dims[: len(dims) // 2], dims[len(dims) // 2 :]
    parts = {"up": torch.ones(up), "down": torch.ones([*down, *[1] * kernel])}
    try:
        module = build_module(parts)
    except NetworkError:
        return
    assert module.delta(torch.ones(module.shape)).shape == module.shape
