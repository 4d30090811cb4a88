"""What a network would write to a model, and why it is refused, before anything is written."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from loradex.errors import IncompatibleNetworkError  # noqa: E402
from loradex.networks.network import Fault  # noqa: E402
from loradex.networks.patcher import Patcher, StackEntry  # noqa: E402
from loradex.networks.plan import make_plan  # noqa: E402
from loradex.networks.report import Count  # noqa: E402
from torch import nn  # noqa: E402

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


def test_a_plan_counts_matched_modules_per_component() -> None:
    plan = make_plan(lora("a", "denoiser.proj", "denoiser.to_q", "te.first"), toy_model())
    assert plan.counts == {"unet": Count(2, 2), "te": Count(1, 1)}
    assert plan.checked(strict=True) == ()


def test_making_a_plan_writes_nothing() -> None:
    model = toy_model()
    before = snapshot(model)
    make_plan(lora("a", "denoiser.proj", "denoiser.conv", "te.first"), model)
    assert_same_bits(snapshot(model), before)


def test_as_many_elements_in_another_shape_are_never_reshaped_into_the_weight() -> None:
    # AUTOMATIC1111 reshapes a delta of [24, 16] into a weight of [16, 24]
    model = toy_model()
    before = snapshot(model)
    turned = network("a", {"denoiser.proj": lora_parts((24, 16))})
    plan = make_plan(turned, model)
    assert plan.matched == ()
    assert (plan.misfit[0].delta, plan.misfit[0].weight) == ((24, 16), (16, 24))
    report = Patcher(model).apply([StackEntry(turned)])
    assert "[24, 16]" in report.applied[0].skipped
    assert "[16, 24]" in report.applied[0].skipped
    assert_same_bits(snapshot(model), before)


@pytest.mark.parametrize(
    ("name", "shape"), [("denoiser.point", (6, 8)), ("denoiser.proj", (16, 24, 1, 1))]
)
def test_a_linear_layer_and_a_1x1_convolution_are_the_same(
    name: str, shape: tuple[int, ...]
) -> None:
    model = toy_model()
    parts = lora_parts(shape)
    report = Patcher(model).apply([StackEntry(network("a", {name: parts}))])
    assert report.applied[0].components == {"unet": Count(1, 1)}


def test_the_real_parameter_decides_not_the_table() -> None:
    model = toy_model()
    model.components["unet"].root.proj = nn.Linear(25, 16)
    plan = make_plan(lora("a", "denoiser.proj"), model)
    assert plan.misfit[0].weight == (16, 25)


def test_a_misfit_in_the_denoiser_refuses_the_whole_network() -> None:
    model = toy_model()
    net = network("a", {
        "denoiser.proj": lora_parts((16, 99)), "denoiser.bare": lora_parts((16, 16)),
        "te.first": lora_parts((10, 10)),
    })
    plan = make_plan(net, model)
    with pytest.raises(IncompatibleNetworkError):
        plan.checked()
    assert plan.checked(force=True)
    report = Patcher(model).apply([StackEntry(net)], force=True)
    assert report.applied[0].components == {"unet": Count(1, 2), "te": Count(1, 1)}


def test_a_misfit_in_a_text_encoder_leaves_that_module_out_with_a_note() -> None:
    net = network("a", {
        "denoiser.proj": lora_parts((16, 24)), "te.first": lora_parts((11, 10)),
    })
    plan = make_plan(net, toy_model())
    assert "te: 1 modules of another shape were left out" in plan.checked()[0]
    with pytest.raises(IncompatibleNetworkError, match="left out"):
        plan.checked(strict=True)


def test_names_that_the_model_lacks_are_counted_and_named() -> None:
    extra = {f"denoiser.nowhere_{i}": lora_parts((4, 4)) for i in range(5)}
    net = network("a", {"denoiser.proj": lora_parts((16, 24)), **extra})
    plan = make_plan(net, toy_model())
    assert plan.counts == {"unet": Count(1, 6)}
    (note,) = plan.checked()
    assert note.startswith("5 modules are not in the model, such as denoiser.nowhere_0, ")
    assert note.count("nowhere") == 3
    with pytest.raises(IncompatibleNetworkError, match="5 modules are not in the model"):
        plan.checked(strict=True)


@pytest.mark.parametrize("force", [False, True])
def test_a_network_of_which_nothing_matches_is_refused_even_with_force(force: bool) -> None:
    plan = make_plan(network("a", {"denoiser.nowhere": lora_parts((4, 4))}), toy_model())
    with pytest.raises(IncompatibleNetworkError):
        plan.checked(force=force)


def test_broken_modules_of_a_file_are_told_and_the_others_applied() -> None:
    net = network("a", {"denoiser.proj": lora_parts((16, 24))},
                  faults=(Fault("denoiser.conv", "'down' is missing beside up"),))
    plan = make_plan(net, toy_model())
    assert plan.counts == {"unet": Count(1, 2)}
    assert plan.checked() == ("1 modules are broken: denoiser.conv: 'down' is missing beside up",)
    with pytest.raises(IncompatibleNetworkError, match="broken"):
        plan.checked(strict=True)


def test_tensors_that_are_not_understood_are_told() -> None:
    net = network("a", {"denoiser.proj": lora_parts((16, 24))}, unknown=("odd.key",))
    assert make_plan(net, toy_model()).checked() == (
        "1 tensors are not understood, such as odd.key",
    )


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_fp8_weights_are_left_alone_and_counted_as_branches(dtype: torch.dtype) -> None:
    model = toy_model()
    weight = parameter(model, "unet.proj.weight")
    weight.data = weight.data.to(dtype)
    report = Patcher(model).apply([StackEntry(lora("a", "denoiser.proj", "te.first"))])
    assert report.applied[0].components == {"unet": Count(1, 1, 1), "te": Count(1, 1)}


def test_a_plan_is_made_again_when_the_model_has_changed_since() -> None:
    model = toy_model()
    net = lora("a", "denoiser.proj")
    patcher = Patcher(model)
    assert patcher.plan(net) is patcher.plan(net)
    weight = parameter(model, "unet.proj.weight")
    weight.data = weight.data.to(torch.float8_e4m3fn)
    assert patcher.apply([StackEntry(net)]).applied[0].components["unet"].branch == 1


class OwnNorm(nn.Module):
    """A norm of a model's own."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(16, device="meta"))
        self.bias = nn.Parameter(torch.ones(16, device="meta"))


def test_a_norm_that_is_not_in_memory_takes_its_network_where_its_kind_is_known() -> None:
    model = toy_model()
    model.components["unet"].root.norm.to("meta")
    net = network("a", {"denoiser.norm": {"w_norm": torch.ones(16), "b_norm": torch.ones(16)}})
    report = Patcher(model).apply([StackEntry(net)], strict=True)
    assert str(report.applied[0].components["unet"]) == "1/1 (branch)"
    model.components["unet"].root.norm = OwnNorm()
    with pytest.raises(IncompatibleNetworkError, match=r"not in memory.*no matrix product"):
        Patcher(model).apply([StackEntry(net)], strict=True)


def test_integer_weights_whose_scale_is_unknown_refuse_what_needs_their_values() -> None:
    model = toy_model()
    module = model.components["unet"].root.proj
    module.weight = nn.Parameter(torch.ones(16, 24, dtype=torch.int8), requires_grad=False)
    dora = {"denoiser.proj": {**lora_parts((16, 24)), "dora_scale": torch.ones(16, 1)}}
    report = Patcher(model).apply([StackEntry(network("a", dora))])
    assert "quantised (int8), and dora needs to know their values" in report.applied[0].skipped


def test_one_refused_network_does_not_lose_the_others() -> None:
    model, fresh = toy_model(), toy_model()
    good, bad = lora("good", "denoiser.proj"), network("bad", {"denoiser.proj": lora_parts((9, 9))})
    report = Patcher(model).apply([StackEntry(bad), StackEntry(good)])
    Patcher(fresh).apply([StackEntry(good)])
    assert_same_bits(snapshot(model), snapshot(fresh))
    assert [bool(row.skipped) for row in report.applied] == [True, False]


def test_strict_raises_before_anything_is_written() -> None:
    model = toy_model()
    before = snapshot(model)
    good, bad = lora("good", "denoiser.proj"), network("bad", {"denoiser.proj": lora_parts((9, 9))})
    with pytest.raises(IncompatibleNetworkError):
        Patcher(model).apply([StackEntry(good), StackEntry(bad)], strict=True)
    assert_same_bits(snapshot(model), before)


def test_an_inpainting_unet_keeps_the_channels_that_the_network_does_not_know() -> None:
    from loradex.keys.architecture import Architecture, Builder
    from loradex.networks.model import BoundComponent, BoundModel

    out = Builder()
    out.conv("conv_in", "conv_in", 8, 9)
    root = nn.Module()
    root.conv_in = nn.Conv2d(9, 8, 3)
    base = root.conv_in.weight.detach().clone()
    arch = Architecture("inpainting", "denoiser", tuple(out.leaves))
    model = BoundModel({"unet": BoundComponent("unet", root, arch, "diffusers")})
    parts = lora_parts((8, 4, 3, 3))
    patcher = Patcher(model)
    patcher.apply([StackEntry(network("a", {"denoiser.conv_in": parts}))])
    delta = (0.5 * parts["up"].flatten(1) @ parts["down"].flatten(1)).reshape(8, 4, 3, 3)
    assert torch.allclose(root.conv_in.weight[:, :4], base[:, :4] + delta, atol=1e-6)
    assert torch.equal(bits(root.conv_in.weight[:, 4:]), bits(base[:, 4:]))
    patcher.restore()
    assert torch.equal(bits(root.conv_in.weight), bits(base))


def test_the_shapes_in_the_kit_are_the_toys() -> None:
    model = toy_model()
    for name, shape in SHAPES.items():
        component, _, module = name.partition(".")
        if module not in ("to_q", "to_v"):
            place = f"{'unet' if component == 'denoiser' else component}.{module}.weight"
            assert tuple(parameter(model, place).shape) == shape
