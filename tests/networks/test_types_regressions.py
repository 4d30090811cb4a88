"""Defects that other programs have or had, each by name: ours must not have them.

Numbers refer to the defects that were reproduced in those programs; where their formula is known
to be wrong it is written out here and must give something else.
"""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from loradex.errors import BrokenNetworkError, IncompatibleNetworkError  # noqa: E402
from loradex.networks.types import ModuleHints, build_module  # noqa: E402
from torch import Tensor  # noqa: E402

from tests.networks import oracle  # noqa: E402
from tests.networks.type_cases import LARGE, Case, all_cases  # noqa: E402

pytestmark = pytest.mark.torch


def relative(got: Tensor, want: Tensor) -> float:
    return float((got.double() - want.double()).norm() / want.double().norm())


def delta_and_want(case: Case) -> tuple[Tensor, Tensor, Tensor]:
    """Our delta, the exact delta, and the weight."""
    weight = case.weight()
    delta = build_module(case.parts, case.hints).delta(weight)
    return delta, case.merged(case.parts, weight.double()) - weight.double(), weight


def test_2_a_bias_delta_on_a_layer_without_a_bias() -> None:
    """A1111 raises at the second forward; here the type answers and the plan decides."""
    for parts in ({"diff": torch.ones(4, 3), "diff_b": torch.ones(4)}, {"diff_b": torch.ones(4)}):
        module = build_module(parts)
        assert module.writes_bias
        got = module.bias_delta(None, torch.zeros(4, 3))
        assert got is not None
        assert got.tolist() == [1.0] * 4


def test_5_a_delta_of_equal_count_and_wrong_shape_is_not_reshaped() -> None:
    """A1111: 64x16 went into 16x64 in silence."""
    module = build_module({"up": torch.ones(64, 2), "down": torch.ones(2, 16)})
    with pytest.raises(IncompatibleNetworkError, match=r"\[64, 16\]"):
        module.delta(torch.zeros(16, 64))


@pytest.mark.parametrize("name", ["dora-out", "dora-conv-out", "dora-peft", "dora-peft-conv"])
def test_7_output_axis_dora_is_normed_per_output(name: str) -> None:
    """A1111 and InvokeAI norm per input always: 2.15 times the delta is wrong."""
    case = all_cases(std=LARGE)[name]
    delta, want, weight = delta_and_want(case)
    assert relative(delta, want) < 1e-6
    changed = weight.double() + oracle.lora_delta(case.parts, weight.shape)
    role = "dora_scale" if "dora_scale" in case.parts else "magnitude_vector"
    magnitude = case.parts[role].double().reshape(-1, *[1] * (weight.dim() - 1))
    dims = [0, *range(2, weight.dim())]
    theirs = changed * magnitude / torch.linalg.vector_norm(changed, dim=dims, keepdim=True)
    assert relative(theirs - weight.double(), want) > 0.1


def test_13_output_axis_dora_is_divided_by_the_changed_weight() -> None:
    """Forge and ComfyUI divide by ||W|| there: the whole change of length is lost."""
    case = all_cases(std=LARGE)["dora-out"]
    delta, want, weight = delta_and_want(case)
    assert relative(delta, want) < 1e-6
    changed = weight.double() + oracle.lora_delta(case.parts, weight.shape)
    norm = torch.linalg.vector_norm(weight.double(), dim=1, keepdim=True)
    theirs = changed * case.parts["dora_scale"].double() / norm
    assert relative(theirs - weight.double(), want) > 0.05


def test_13_a_1d_scale_on_a_square_layer_is_not_guessed() -> None:
    case = all_cases()["dora-out"]
    flat = case.parts | {"dora_scale": case.parts["dora_scale"].flatten()}
    with pytest.raises(BrokenNetworkError, match="ambiguous"):
        build_module(flat)
    told = build_module(flat, ModuleHints(wd_on_output=True))
    assert torch.equal(told.delta(case.weight()), build_module(case.parts).delta(case.weight()))


@pytest.mark.parametrize("strength", [0.5, 0.8])
def test_14_the_strength_of_oft_counts_once(strength: float) -> None:
    """ComfyUI and reForge apply it twice: 0.5 acts as 0.25."""
    case = all_cases()["oft"]
    delta, _, weight = delta_and_want(case)
    rotation = oracle.cayley_dense(case.parts["oft_blocks"])
    eye = torch.eye(rotation.shape[-1], dtype=torch.float64)
    dense = torch.block_diag(*(strength * (rotation - eye) + eye))
    want = dense.T @ weight.double() - weight.double()
    assert relative(strength * delta, want) < 1e-6


def test_14_the_constraint_of_oft_is_times_the_output_channels() -> None:
    case = all_cases()["oft-constraint"]
    delta, want, weight = delta_and_want(case)
    assert relative(delta, want) < 1e-6
    alpha = case.parts["alpha"] / weight.shape[0]
    theirs = oracle.oft(case.parts | {"alpha": alpha}, weight.double()) - weight.double()
    assert relative(theirs, want) > 0.5
    free = oracle.oft({"oft_blocks": case.parts["oft_blocks"]}, weight.double())
    assert relative(free - weight.double(), want) > 0.5


def test_14_the_rescale_of_oft_is_applied() -> None:
    case = all_cases()["oft-rescale"]
    delta, want, _ = delta_and_want(case)
    assert relative(delta, want) < 1e-6
    without = build_module({r: t for r, t in case.parts.items() if r != "rescale"})
    assert relative(without.delta(case.weight()), want) > 0.1


@pytest.mark.parametrize("name", ["boft", "oft"])
def test_rotations_without_an_alpha_are_unconstrained(name: str) -> None:
    """ComfyUI's BOFT crashes on a missing alpha; A1111 1.10 needs the key as well (#14971)."""
    delta, want, _ = delta_and_want(all_cases()[name])
    assert relative(delta, want) < 1e-6


@pytest.mark.parametrize("name", ["glora", "glora-old"])
def test_glora_is_scaled_by_alpha_over_rank_in_both_halves(name: str) -> None:
    """A1111 ignores alpha / r; lora-block-weight scales half of the delta (16)."""
    case = all_cases()[name]
    delta, want, weight = delta_and_want(case)
    assert relative(delta, want) < 1e-6
    doubled = build_module(case.parts | {"alpha": case.parts["alpha"] * 2}).delta(weight)
    assert relative(doubled, 2 * want) < 1e-6


@pytest.mark.parametrize("name", ["ia3-conv-out", "ia3-conv-in", "ia3-out", "ia3-in"])
def test_ia3_on_a_conv_scales_the_side_it_says(name: str) -> None:
    """A1111 reshapes the vector to (-1, 1), which breaks the output side of a conv."""
    delta, want, _ = delta_and_want(all_cases()[name])
    assert relative(delta, want) < 1e-6


def test_whole_lokr_ignores_alpha_as_its_trainer_does() -> None:
    """A file that stores alpha 1 at dim 32 would saturate the image otherwise (ComfyUI 15114)."""
    parts = {"lokr_w1": torch.ones(2, 2), "lokr_w2": torch.ones(3, 3)}
    plain = build_module(parts).delta(torch.zeros(6, 6))
    stored = build_module(parts | {"alpha": torch.tensor(0.03)})
    assert torch.equal(stored.delta(torch.zeros(6, 6)), plain)
    assert stored.notes == ()


def test_lora_ab_keys_keep_their_alpha_and_their_magnitude() -> None:
    """A1111 drops both from lora_A / lora_B files (`weights.w.clear()`)."""
    case = all_cases()["dora-peft"]
    delta, want, weight = delta_and_want(case)
    assert relative(delta, want) < 1e-6
    bare = {role: case.parts[role] for role in ("up", "down")}
    assert relative(build_module(bare).delta(weight), want) > 0.3


def test_a_norm_needs_no_second_half() -> None:
    """A1111 fails the whole file where w_norm or b_norm is missing."""
    assert build_module({"w_norm": torch.ones(4)}).writes_weight
    assert build_module({"b_norm": torch.ones(4)}).writes_bias
