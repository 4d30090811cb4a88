"""What alpha, scale, dyn_dim, the DoRA axis, biases and bundled embeddings mean."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from loradex.errors import BrokenNetworkError  # noqa: E402
from loradex.networks.dora import DoraModule  # noqa: E402
from loradex.networks.embedding import bundled_embedding  # noqa: E402
from loradex.networks.parts import is_finite  # noqa: E402
from loradex.networks.set_weight import SetModule  # noqa: E402
from loradex.networks.types import ModuleHints, build_module  # noqa: E402
from torch import Tensor  # noqa: E402

from tests.networks import oracle  # noqa: E402
from tests.networks.type_cases import all_cases  # noqa: E402

pytestmark = pytest.mark.torch


def lora(out: int = 8, inp: int = 6, rank: int = 4, **more: Tensor) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(3)
    return {
        "up": torch.randn(out, rank, generator=random),
        "down": torch.randn(rank, inp, generator=random),
    } | more


def scale_of(parts: dict[str, Tensor], hints: ModuleHints | None = None) -> float:
    module = build_module(parts, hints)
    plain = parts["up"] @ parts["down"]
    return float((module.delta(torch.zeros(plain.shape)) / plain).mean())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.int64])
@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_alpha_may_have_any_dtype_and_one_element(
    dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    alpha = torch.full(shape, 2.0).to(dtype)
    assert scale_of(lora(alpha=alpha)) == pytest.approx(0.5)


def test_without_alpha_the_scale_is_one() -> None:
    assert scale_of(lora()) == pytest.approx(1.0)


def test_a_stored_scale_overrides_alpha_over_rank() -> None:
    parts = lora(alpha=torch.tensor(1.0), scale=torch.tensor([0.3]))
    assert scale_of(parts) == pytest.approx(0.3)


def test_alpha_of_the_configuration_counts_where_the_file_has_none() -> None:
    hints = ModuleHints(alpha=8.0)
    assert scale_of(lora(), hints) == pytest.approx(2.0)
    assert scale_of(lora(alpha=torch.tensor(1.0)), hints) == pytest.approx(0.25)


def test_rslora_divides_by_the_root_of_the_rank() -> None:
    assert scale_of(lora(), ModuleHints(alpha=8.0, use_rslora=True)) == pytest.approx(4.0)


def test_lycoris_bakes_rslora_into_alpha_so_the_hint_changes_nothing_there() -> None:
    stored = torch.tensor(8.0 * 4 / math.sqrt(4))
    hints = ModuleHints(use_rslora=True)
    assert scale_of(lora(alpha=stored), hints) == pytest.approx(8.0 / math.sqrt(4))


def test_dyn_dim_takes_the_first_ranks_and_keeps_alpha_over_the_whole_rank() -> None:
    parts = lora(alpha=torch.tensor(2.0))
    module, weight = build_module(parts), torch.zeros(8, 6)
    want = parts["up"][:, :2] @ parts["down"][:2] * 0.5
    torch.testing.assert_close(module.delta(weight, 2), want)
    up, down = module.factors(2) or (weight, weight)
    assert (up.shape, down.shape) == ((8, 2), (2, 6))
    torch.testing.assert_close(up @ down, want)
    torch.testing.assert_close(module.delta(weight, 99), module.delta(weight))


def test_the_scale_is_folded_into_the_smaller_factor() -> None:
    parts = lora(out=4, inp=64, alpha=torch.tensor(2.0))
    up, down = build_module(parts).factors() or (torch.zeros(1),) * 2
    torch.testing.assert_close(up, parts["up"] * 0.5)
    assert torch.equal(down, parts["down"])


def test_a_bias_below_goes_through_up_and_both_are_scaled() -> None:
    parts = lora(alpha=torch.tensor(2.0), up_bias=torch.arange(8.0), down_bias=torch.ones(4))
    got = build_module(parts).bias_delta(None, torch.zeros(8, 6))
    want = (parts["up"].sum(1) + torch.arange(8.0)) * 0.5
    assert got is not None
    torch.testing.assert_close(got, want)


# ---- DoRA's axis


def axis(parts: dict[str, Tensor], **hints: bool) -> str:
    module = build_module(parts, ModuleHints("file", "block", **hints))
    assert isinstance(module, DoraModule)
    return "output" if module.on_output else "input"


@pytest.mark.parametrize(("shape", "want"), [((8, 1), "output"), ((1, 8), "input")])
def test_two_dimensions_tell_the_axis_of_a_square_weight(
    shape: tuple[int, ...], want: str
) -> None:
    assert axis(lora(8, 8, dora_scale=torch.ones(shape))) == want


@pytest.mark.parametrize(("length", "want"), [(8, "output"), (6, "input")])
@pytest.mark.parametrize("role", ["dora_scale", "magnitude"])
def test_the_length_tells_where_the_shape_does_not(role: str, length: int, want: str) -> None:
    assert axis(lora(8, 6, **{role: torch.ones(length)})) == want


@pytest.mark.parametrize("role", ["magnitude", "magnitude_vector"])
def test_a_plain_magnitude_on_a_square_weight_is_per_output(role: str) -> None:
    assert axis(lora(8, 8, **{role: torch.ones(8)})) == "output"


def test_a_1d_dora_scale_on_a_square_weight_needs_the_metadata() -> None:
    parts = lora(8, 8, dora_scale=torch.ones(8))
    assert axis(parts, wd_on_output=True) == "output"
    assert axis(parts, wd_on_output=False) == "input"
    with pytest.raises(BrokenNetworkError, match="ambiguous"):
        build_module(parts)


def test_pefts_conv_magnitude_looks_like_the_input_form_and_is_per_output() -> None:
    parts = {"up": torch.ones(8, 2, 1, 1), "down": torch.ones(2, 8, 3, 3)}
    stored = torch.ones(1, 8, 1, 1)
    assert axis(parts | {"magnitude_vector": stored}) == "output"
    assert axis(parts | {"dora_scale": stored}) == "input"


def test_a_conv_magnitude_under_another_name_is_told_by_its_length() -> None:
    parts = {"up": torch.ones(8, 2, 1, 1), "down": torch.ones(2, 6, 3, 3)}
    assert axis(parts | {"dora_scale": torch.ones(1, 8, 1, 1)}) == "output"
    assert axis(parts | {"dora_scale": torch.ones(1, 6, 1, 1)}) == "input"


def test_pefts_magnitude_of_the_input_length_is_refused() -> None:
    with pytest.raises(BrokenNetworkError, match="magnitude_vector"):
        build_module(lora(8, 6, magnitude_vector=torch.ones(6)))


def test_flat_loha_of_a_conv_takes_its_input_channels_from_the_magnitude() -> None:
    parts = {f"hada_w{i}_a": torch.ones(8, 2) for i in "12"}
    parts |= {f"hada_w{i}_b": torch.ones(2, 54) for i in "12"}
    module = build_module(parts | {"dora_scale": torch.ones(1, 6, 1, 1)})
    assert module.fits((8, 6, 3, 3))
    assert not module.fits((8, 54))


def test_a_row_without_length_stays_as_it_is() -> None:
    parts = lora(8, 6, dora_scale=torch.ones(8, 1))
    module = build_module(parts)
    assert isinstance(module, DoraModule)
    weight = -module.inner.delta(torch.zeros(8, 6))
    delta = module.delta(weight)
    assert torch.isfinite(delta).all()
    torch.testing.assert_close(delta, -weight)


# ---- biases, norms, set, embeddings


def test_pefts_bias_is_the_bias_itself() -> None:
    module = build_module(lora(bias=torch.full((8,), 3.0)))
    weight = torch.zeros(8, 6)
    got = module.bias_delta(torch.ones(8), weight)
    assert got is not None
    assert got.tolist() == [2.0] * 8
    alone = module.bias_delta(None, weight)
    assert alone is not None
    assert alone.tolist() == [3.0] * 8
    assert module.factors() is not None


def test_a_weight_shaped_bias_is_a_residual() -> None:
    residual = torch.ones(8, 6)
    module = build_module(lora(alpha=torch.tensor(2.0), bias=residual))
    without = build_module(lora(alpha=torch.tensor(2.0)))
    weight = torch.zeros(8, 6)
    torch.testing.assert_close(module.delta(weight) - without.delta(weight), residual * 0.5)
    assert not module.writes_bias


def test_biases_add_up() -> None:
    module = build_module(lora(up_bias=torch.ones(8), diff_b=torch.full((8,), 2.0)))
    got = module.bias_delta(None, torch.zeros(8, 6))
    assert got is not None
    assert got.tolist() == [3.0] * 8


@pytest.mark.parametrize("role", ["diff_b", "bias", "up_bias"])
def test_a_bias_alone_leaves_the_weight(role: str) -> None:
    module = build_module({role: torch.ones(8)})
    assert (module.shape, module.writes_weight, module.writes_bias) == ((), False, True)
    assert module.fits((8, 6))
    assert not module.delta(torch.ones(8, 6)).any()
    assert module.rows(0, 4).bias_delta(None, torch.ones(4, 6)) is not None


def test_either_half_of_a_norm_may_be_missing() -> None:
    weight = torch.ones(8)
    only_weight, only_bias = (build_module({role: torch.ones(8)}) for role in ("w_norm", "b_norm"))
    assert only_weight.bias_delta(weight, weight) is None
    assert not only_bias.writes_weight
    assert not only_bias.delta(weight).any()
    assert only_bias.bias_delta(weight, weight) is not None


def test_pefts_ia3_on_the_output_scales_the_bias_and_lycoris_does_not() -> None:
    bias, weight = torch.ones(8), torch.ones(8, 6)
    peft = build_module({"ia3_l": torch.full((8, 1), 1.5)}).bias_delta(bias, weight)
    assert peft is not None
    assert peft.tolist() == [0.5] * 8
    own = build_module({"ia3_weight": torch.ones(8), "on_input": torch.tensor(0)})
    assert own.bias_delta(bias, weight) is None
    on_input = build_module({"ia3_l": torch.full((1, 6), 1.5)})
    assert on_input.bias_delta(bias, weight) is None


def test_pefts_conv_ia3_on_a_square_weight_is_ambiguous() -> None:
    module = build_module({"ia3_l": torch.full((1, 8, 1, 1), 1.5)})
    assert module.fits((8, 8, 3, 3))
    with pytest.raises(BrokenNetworkError, match="square"):
        module.delta(torch.ones(8, 8, 3, 3))


def test_set_replaces_bit_for_bit() -> None:
    value = torch.randn(8, 6).to(torch.bfloat16)
    module = build_module({"set_weight": value})
    assert isinstance(module, SetModule)
    assert module.replaces
    assert torch.equal(module.replacement(torch.randn(8, 6)), value.float())


def test_pefts_two_cayley_forms_turn_opposite_ways() -> None:
    parts = {"oft_r": torch.full((1, 1), 0.1)}
    weight = torch.eye(2)
    series = build_module(parts).delta(weight)
    exact = build_module(parts, ModuleHints(oft_neumann_terms=0)).delta(weight)
    assert torch.sign(series[0, 1]) == -torch.sign(exact[0, 1])
    torch.testing.assert_close(series, exact.t(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("terms", [2, 3, 4, 6, 9])
def test_more_neumann_terms_come_nearer_to_the_exact_rotation(terms: int) -> None:
    parts = {"oft_r": torch.full((2, 28), 0.03)}
    weight = torch.eye(16)
    error = [
        float((build_module(parts, ModuleHints(oft_neumann_terms=n)).delta(weight).t()
               - build_module(parts, ModuleHints(oft_neumann_terms=0)).delta(weight)).norm())
        for n in (terms, 12)
    ]
    assert error[1] < error[0]


def test_bundled_embeddings_are_held_by_encoder() -> None:
    two = {"clip_l": torch.ones(2, 768), "clip_g": torch.ones(2, 1280)}
    found = bundled_embedding("token", two, ModuleHints("file"))
    assert {key: tuple(v.shape) for key, v in found.vectors.items()} == {
        "clip_l": (2, 768), "clip_g": (2, 1280)
    }
    one = bundled_embedding("token", {"string_to_param.*": torch.ones(768)}, ModuleHints("file"))
    assert tuple(one.vectors[""].shape) == (1, 768)
    with pytest.raises(BrokenNetworkError, match="token"):
        bundled_embedding("token", {"clip_l": torch.full((2, 4), float("nan"))}, ModuleHints("f"))


@pytest.mark.parametrize("name", sorted(all_cases()))
def test_a_weight_of_any_stride_gives_the_same_delta(name: str) -> None:
    case = all_cases()[name]
    module, weight = build_module(case.parts, case.hints), case.weight()
    strided = weight.transpose(0, -1).contiguous().transpose(0, -1)
    torch.testing.assert_close(module.delta(strided), module.delta(weight), rtol=1e-5, atol=1e-8)


def test_fp8_factors_are_read() -> None:
    parts = lora()
    stored = {role: tensor.to(torch.float8_e4m3fn) for role, tensor in parts.items()}
    weight = torch.zeros(8, 6)
    want = oracle.lora_delta({r: t.float() for r, t in stored.items()}, weight.shape)
    torch.testing.assert_close(build_module(stored).delta(weight).double(), want)
    assert is_finite(stored["up"])
