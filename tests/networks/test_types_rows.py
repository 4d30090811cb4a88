"""Row slices: exact where the mathematics allows them, refused with the reason where not."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from loradex.errors import BrokenNetworkError  # noqa: E402
from loradex.networks.types import ModuleHints, build_module  # noqa: E402

from tests.networks.type_cases import all_cases  # noqa: E402

pytestmark = pytest.mark.torch

BY_INPUT = {
    "dora-in", "dora-conv-in", "dora-1d-in", "dora-loha-conv-in", "dora-lokr",
    "ia3-peft-conv-out", "ia3-peft-conv-in",
}
"""One norm over all rows, or a side that only the whole weight tells."""
IN_BLOCKS = {"oft", "oft-constraint", "oft-rescale", "oft-conv", "oft-old", "boft", "boft-conv"}


@pytest.mark.parametrize("name", sorted(all_cases().keys() - BY_INPUT - IN_BLOCKS))
@pytest.mark.parametrize(("start", "stop"), [(0, 64), (5, 23), (63, 64)])
def test_a_cut_anywhere_is_the_same_rows_of_the_whole(name: str, start: int, stop: int) -> None:
    assert_rows(name, start, stop)


@pytest.mark.parametrize("name", sorted(IN_BLOCKS))
@pytest.mark.parametrize(("start", "stop"), [(0, 32), (32, 64)])
def test_rotations_are_cut_between_their_groups(name: str, start: int, stop: int) -> None:
    assert_rows(name, start, stop)


def assert_rows(name: str, start: int, stop: int) -> None:
    case = all_cases()[name]
    module, weight = build_module(case.parts, case.hints), case.weight()
    part = module.rows(start, stop)
    assert part.fits((stop - start, *case.weight_shape[1:]))
    got, want = part.delta(weight[start:stop]), module.delta(weight)[start:stop]
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-8)
    bias = torch.arange(64.0)
    whole = module.bias_delta(bias, weight)
    if whole is not None:
        cut = part.bias_delta(bias[start:stop], weight[start:stop])
        torch.testing.assert_close(cut, whole[start:stop])


@pytest.mark.parametrize("name", sorted(IN_BLOCKS | BY_INPUT))
def test_a_cut_without_an_exact_form_is_refused(name: str) -> None:
    case = all_cases()[name]
    module = build_module(case.parts, case.hints)
    with pytest.raises(BrokenNetworkError) as caught:
        module.rows(4, 20)
    assert "all of this module's rows" in str(caught.value)


@pytest.mark.parametrize(("start", "stop"), [(-1, 4), (4, 4), (60, 65)])
def test_rows_that_are_not_there_are_refused(start: int, stop: int) -> None:
    module = build_module(all_cases()["lora"].parts)
    with pytest.raises(BrokenNetworkError, match=f"rows {start} to {stop}"):
        module.rows(start, stop)


def test_a_cut_through_a_block_of_lokr_is_written_out() -> None:
    case = all_cases()["lokr-both"]
    module = build_module(case.parts, ModuleHints("file", "block"))
    assert module.rows(4, 20).type_name == "lokr"
    assert module.rows(5, 20).type_name == "full"


def test_the_bias_of_lora_up_is_cut_with_its_rows() -> None:
    parts = {"up": torch.ones(6, 2), "down": torch.ones(2, 3), "up_bias": torch.arange(6.0)}
    cut = build_module(parts).rows(2, 4)
    got = cut.bias_delta(None, torch.zeros(2, 3))
    assert got is not None
    assert got.tolist() == [2.0, 3.0]


def test_biases_beside_factors_are_cut_with_their_rows() -> None:
    parts = {"up": torch.ones(6, 2), "down": torch.ones(2, 3), "diff_b": torch.arange(6.0)}
    cut = build_module(parts).rows(4, 6)
    got = cut.bias_delta(None, torch.zeros(2, 3))
    assert got is not None
    assert got.tolist() == [4.0, 5.0]
