"""Tensors that cannot be: each is refused with the file, the module and what is wrong."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from loradex.errors import (  # noqa: E402
    BrokenNetworkError,
    IncompatibleNetworkError,
    UnknownNetworkTypeError,
)
from loradex.networks.types import ModuleHints, build_module  # noqa: E402
from torch import Tensor  # noqa: E402

from tests.networks.type_cases import all_cases  # noqa: E402

pytestmark = pytest.mark.torch

HINTS = ModuleHints("style.safetensors", "mid_block_attn_to_q")


def ones(*shape: int) -> Tensor:
    return torch.ones(shape)


def hada(**changes: Tensor) -> dict[str, Tensor]:
    sound = {
        "hada_w1_a": ones(8, 2), "hada_w1_b": ones(2, 6), "hada_w2_a": ones(8, 2),
        "hada_w2_b": ones(2, 6),
    }
    return sound | changes


BROKEN: dict[str, tuple[dict[str, Tensor], str]] = {
    "up without down": ({"up": ones(8, 2)}, "'down' is missing beside up"),
    "down without up": ({"down": ones(2, 8), "alpha": ones()}, "'up' is missing"),
    "a core alone": ({"mid": ones(2, 2, 3, 3)}, "'up' is missing"),
    "two ranks": ({"up": ones(8, 2), "down": ones(3, 6)}, r"'up' is \[8, 2\]"),
    "a core of another rank": (
        {"up": ones(8, 2, 1, 1), "mid": ones(2, 3, 3, 3), "down": ones(2, 6, 1, 1)}, "'mid' is"),
    "a core beside a kernel": (
        {"up": ones(8, 2, 1, 1), "mid": ones(2, 2, 3, 3), "down": ones(2, 6, 3, 3)},
        "a kernel of 1 in this factor"),
    "a kernel in up": ({"up": ones(8, 2, 3, 3), "down": ones(2, 6, 1, 1)}, "a kernel of 1"),
    "one-dimensional factors": ({"up": ones(8), "down": ones(6)}, "dimensions"),
    "rank 0": ({"up": ones(8, 0), "down": ones(0, 6)}, "rank 0"),
    "an alpha for each rank": (
        {"up": ones(8, 2), "down": ones(2, 6), "alpha": ones(2)}, "'alpha' has the shape"),
    "a scale that is a vector": (
        {"up": ones(8, 2), "down": ones(2, 6), "scale": ones(8)}, "one number"),
    "a short up bias": (
        {"up": ones(8, 2), "down": ones(2, 6), "up_bias": ones(7)}, "'up_bias' is"),
    "loha without a quarter": (
        {k: v for k, v in hada().items() if k != "hada_w2_a"}, "'hada_w2_a' is missing"),
    "loha halves of two shapes": (hada(hada_w2_a=ones(7, 2)), "two halves"),
    "loha factors of two ranks": (hada(hada_w1_a=ones(8, 3)), "one rank in both"),
    "loha with one core": (hada(hada_t1=ones(2, 2, 3, 3)), "one rank in all three"),
    "lokr without w2": ({"lokr_w1": ones(4, 4)}, "'lokr_w2_a' is missing"),
    "lokr half a factor": (
        {"lokr_w1": ones(4, 4), "lokr_w2_a": ones(4, 2)}, "'lokr_w2_b' is missing"),
    "lokr factors of two ranks": (
        {"lokr_w1_a": ones(4, 2), "lokr_w1_b": ones(3, 4), "lokr_w2": ones(4, 4)}, "one rank"),
    "lokr with a kernel in w1": (
        {"lokr_w1": ones(4, 4, 3, 3), "lokr_w2": ones(4, 4)}, "a matrix"),
    "lokr of no known form": (
        {"lokr_w1": ones(4, 4), "lokr_w2": ones(4, 4), "lokr_t1": ones(1)}, "lokr_t1"),
    "oft blocks that are not square": ({"oft_blocks": ones(4, 2, 3)}, "square blocks"),
    "oft with a short rescale": (
        {"oft_blocks": ones(4, 2, 2), "rescale": ones(7, 1)}, "'rescale' is"),
    "boft of odd blocks": ({"oft_blocks": ones(2, 4, 3, 3)}, "even blocks"),
    "boft of too few blocks": ({"oft_blocks": ones(4, 4, 2, 2)}, "even blocks"),
    "peft oft that is no triangle": ({"oft_r": ones(4, 5)}, "columns for blocks"),
    "peft oft of the first form": ({"oft_r": ones(4, 8, 8)}, "2 dimensions"),
    "peft boft without rotations": ({"boft_s": ones(8, 1)}, "'boft_r' is missing"),
    "glora of no form": (
        {"a1": ones(6, 2), "a2": ones(2, 5), "b1": ones(8, 2), "b2": ones(2, 6)}, "GLoRA factors"),
    "glora without b": ({"a1": ones(6, 2), "a2": ones(2, 6)}, "'b1' is missing"),
    "ia3 of no side": ({"ia3_weight": ones(8)}, "'on_input' is missing"),
    "ia3 as a matrix": ({"ia3_weight": ones(8, 8), "on_input": ones()}, "one vector"),
    "a norm of two lengths": ({"w_norm": ones(8), "b_norm": ones(7)}, "'b_norm' is"),
    "a magnitude alone": ({"dora_scale": ones(8, 1)}, "without the factors"),
    "a magnitude of no axis": (
        {"up": ones(8, 2), "down": ones(2, 6), "dora_scale": ones(7, 1)}, "a magnitude for"),
    "a magnitude that is a matrix": (
        {"up": ones(8, 2), "down": ones(2, 6), "dora_scale": ones(8, 6)}, "one vector"),
    "a magnitude around oft": (
        {"oft_blocks": ones(4, 2, 2), "dora_scale": ones(8, 1)}, "around oft"),
    "a sparse bias without places": (
        {"bias_values": ones(3), "bias_size": torch.tensor([8, 6])}, "'bias_indices' is missing"),
    "a sparse bias outside": (
        {"bias_indices": torch.tensor([[8], [0]]), "bias_values": ones(1),
         "bias_size": torch.tensor([8, 6])}, "outside"),
    "a sparse bias of another size": (
        {"up": ones(8, 2), "down": ones(2, 6), "bias_indices": torch.tensor([[0], [0]]),
         "bias_values": ones(1), "bias_size": torch.tensor([6, 8])}, "one shape"),
    "a bias of another length": (
        {"up": ones(8, 2), "down": ones(2, 6), "diff_b": ones(6)}, "'diff_b' is"),
    "a weight to enlarge": (
        {"up": ones(8, 2), "down": ones(2, 6), "reshape_weight": torch.tensor([8, 12])},
        r"enlarged to \[8, 12\]"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_impossible_tensors_are_refused_by_name(name: str) -> None:
    parts, words = BROKEN[name]
    with pytest.raises(BrokenNetworkError, match=words) as caught:
        build_module(parts, HINTS)
    assert caught.value.subject == "style.safetensors"
    assert "mid_block_attn_to_q" in str(caught.value)
    assert caught.value.next_step


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("role", ["up", "down", "alpha"])
def test_a_value_that_is_not_finite_is_found(role: str, dtype: torch.dtype, value: float) -> None:
    parts = {"up": ones(8, 2), "down": ones(2, 6), "alpha": ones(1)}
    parts = {key: tensor.to(dtype) for key, tensor in parts.items()}
    parts[role].view(-1)[-1] = value
    with pytest.raises(BrokenNetworkError, match=f"'{role}' has values that are not finite"):
        build_module(parts, HINTS)


def test_infinities_that_would_cancel_are_found() -> None:
    up = ones(8, 2)
    up[0, 0], up[1, 1] = float("inf"), float("-inf")
    with pytest.raises(BrokenNetworkError, match="not finite"):
        build_module({"up": up, "down": ones(2, 6)}, HINTS)


def test_huge_but_finite_values_are_not_called_broken() -> None:
    up = torch.full((8, 2), 3e38)
    assert build_module({"up": up, "down": ones(2, 6)}, HINTS).shape == (8, 6)


@pytest.mark.parametrize("roles", [{}, {"alpha": 1}, {"mystery": 1, "enigma": 2}])
def test_tensors_of_no_type_are_named(roles: dict[str, int]) -> None:
    with pytest.raises(UnknownNetworkTypeError) as caught:
        build_module({role: ones(n) for role, n in roles.items()}, HINTS)
    assert all(role in str(caught.value) for role in roles)


def test_a_tensor_beside_a_known_type_is_noted_and_not_fatal() -> None:
    parts = {"up": ones(8, 2), "down": ones(2, 6), "mystery": ones(1)}
    assert build_module(parts, HINTS).notes == ("'mystery' is not used",)


def test_an_alpha_of_zero_is_noted() -> None:
    parts = {"up": ones(8, 2), "down": ones(2, 6), "alpha": torch.tensor(0.0)}
    module = build_module(parts, HINTS)
    assert not module.delta(ones(8, 6)).any()
    assert "no effect" in module.notes[0]


@pytest.mark.parametrize("name", sorted(all_cases().keys() - {"peft-oft-shared"}))
def test_an_equal_number_of_elements_is_not_a_fit(name: str) -> None:
    """A1111 reshapes such a delta into the weight in silence (network.py 205, A.0b number 5)."""
    case = all_cases()[name]
    out, *rest = case.weight_shape
    other = (out * 2, rest[0] // 2, *rest[1:]) if rest else (out, 1)
    module = build_module(case.parts, HINTS)
    assert not module.fits(other)
    with pytest.raises(IncompatibleNetworkError) as caught:
        module.delta(torch.zeros(other))
    assert caught.value.subject == "style.safetensors"
    assert str(list(other)) in str(caught.value)


def test_one_shared_rotation_fits_only_whole_blocks() -> None:
    module = build_module(all_cases()["peft-oft-shared"].parts, HINTS)
    assert module.fits((64, 24))
    assert not module.fits((64, 20))


def test_a_transposed_delta_is_told_in_both_shapes() -> None:
    module = build_module({"up": ones(64, 2), "down": ones(2, 16)}, HINTS)
    with pytest.raises(IncompatibleNetworkError) as caught:
        module.delta(ones(16, 64))
    line = str(caught.value)
    assert "[64, 16]" in line
    assert "[16, 64]" in line


def test_what_the_factors_tell_only_in_part_is_told_in_words() -> None:
    module = build_module({"oft_blocks": ones(4, 2, 2)}, HINTS)
    with pytest.raises(IncompatibleNetworkError, match="out = 8"):
        module.delta(ones(9, 4))
