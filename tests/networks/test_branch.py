"""Networks beside weights that cannot be merged into: exact, whole, and gone without a trace."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given as provided  # noqa: E402
from hypothesis import settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from loradex.networks import branch  # noqa: E402
from loradex.networks.patcher import Patcher, StackEntry  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from tests.networks import oracle  # noqa: E402
from tests.networks.enginekit import (  # noqa: E402
    SHAPES,
    lora,
    lora_parts,
    network,
    parameter,
    toy_model,
)
from tests.networks.stored import (  # noqa: E402
    FP8,
    NORMS,
    CastLinear,
    applied_to,
    bytes_of,
    effective_strength,
    given_to,
    layer_like,
    one_layer,
    store_fp8,
)
from tests.networks.type_cases import additive_cases, dora_cases, rotation_cases  # noqa: E402

pytestmark = pytest.mark.torch

LARGE = 1e-2
CASES = [
    *additive_cases(64, LARGE, torch.float32), *dora_cases(64, LARGE, torch.float32),
    *rotation_cases(64, LARGE, torch.float32),
]


def fp8_model():
    """The toy with its linear layers and convolutions in fp8."""
    model = toy_model()
    for part in model.components.values():
        store_fp8(part.root)
    return model


def run(model, seed: int = 1) -> list[torch.Tensor]:
    """What the layers of the toy give for fixed inputs."""
    random = torch.Generator().manual_seed(seed)
    unet, te = model.components["unet"].root, model.components["te"].root
    with torch.no_grad():
        return [
            unet.proj(torch.randn(2, 3, 24, generator=random)),
            unet.conv(torch.randn(2, 4, 5, 5, generator=random)),
            unet.point(torch.randn(2, 8, 3, 3, generator=random)),
            unet.qkv(torch.randn(2, 3, 12, generator=random)),
            te.first(torch.randn(2, 10, generator=random)),
        ]


@pytest.mark.parametrize("case", CASES, ids=lambda one: one.name)
def test_every_type_has_its_whole_effect_beside_an_fp8_weight(case) -> None:
    layer = layer_like(case.weight())
    model = one_layer(store_fp8(nn.Sequential(layer))[0])
    stored = layer.weight.data.double()
    x = given_to(layer)
    before = layer(x)
    with torch.no_grad():
        net = network("a", {"denoiser.layer": case.parts}, hints=case.hints)
        report = Patcher(model).apply([StackEntry(net)])
        found = layer(x) - before
    assert str(report.applied[0].components["unet"]) == "1/1 (branch)"
    wanted = applied_to(layer, case.merged(case.parts, stored) - stored, x.double())
    assert abs(effective_strength(found, wanted) - 1.0) < 0.01
    assert float((found.double() - wanted).norm() / wanted.norm()) < 1e-3


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("storage", [torch.float8_e4m3fn, torch.float8_e5m2], ids=str)
def test_a_usual_lora_keeps_its_strength_where_a_merge_would_lose_it(storage, dtype) -> None:
    case = next(additive_cases(64, 5e-4, torch.float32))
    layer = layer_like(case.weight())
    store_fp8(nn.Sequential(layer), storage)
    x = given_to(layer).to(dtype)
    stored = layer.weight.data.float()
    delta = case.merged(case.parts, stored.double()).float() - stored
    merged = (stored + delta).to(storage).float()
    with torch.no_grad():
        before = layer(x).double()
        Patcher(one_layer(layer)).apply([StackEntry(network("a", {"denoiser.layer": case.parts}))])
        found = layer(x).double() - before
    wanted = applied_to(layer, delta, x.double())
    # what the merge keeps depends on the sizes; it is measured here beside the branch
    assert effective_strength(applied_to(layer, merged - stored, x.double()), wanted) < 0.9
    assert effective_strength(found, wanted) > 0.99


def test_the_weights_are_never_written_and_nothing_stays_behind() -> None:
    model = fp8_model()
    unet = model.components["unet"].root
    before, plain = bytes_of(unet), run(model)
    patcher = Patcher(model)
    patcher.apply([StackEntry(lora("a", "denoiser.proj", "denoiser.conv", "te.first"))])
    assert not torch.equal(run(model)[0], plain[0])
    assert all(torch.equal(before[name], now) for name, now in bytes_of(unet).items())
    patcher.restore()
    assert all(torch.equal(a, b) for a, b in zip(run(model), plain, strict=True))
    assert not patcher.active
    assert not any(module._forward_hooks for module in unet.modules())


NETWORKS = (
    lora("a", "denoiser.proj", "denoiser.conv", "denoiser.to_v", "te.first", seed=1),
    lora("b", "denoiser.proj", "denoiser.to_q", "denoiser.qkv", seed=20, rank=2),
    network("c", {"denoiser.proj": {"diff": torch.full((16, 24), 0.01), "diff_b": torch.ones(16)},
                  "denoiser.norm": {"w_norm": torch.ones(16), "b_norm": torch.ones(16)}}),
    network("d", {"denoiser.proj": lora_parts((16, 24), 4, 5)
                  | {"dora_scale": torch.full((16, 1), 0.7)}}),
)
STRENGTHS = st.sampled_from((0.0, 1.0, 0.5, -0.7))
STACKS = st.lists(st.builds(StackEntry, st.sampled_from(NETWORKS), STRENGTHS, STRENGTHS,
                            st.sampled_from((None, None, 2))), max_size=4)


@settings(max_examples=60, deadline=None)
@provided(st.lists(STACKS, min_size=1, max_size=5))
def test_what_a_stack_computes_does_not_depend_on_what_was_applied_before(history) -> None:
    model, fresh = fp8_model(), fp8_model()
    patcher = Patcher(model)
    for stack in history:
        patcher.apply(stack)
    Patcher(fresh).apply(history[-1])
    assert all(torch.equal(a, b) for a, b in zip(run(model), run(fresh), strict=True))
    patcher.restore()
    assert all(torch.equal(a, b) for a, b in zip(run(model), run(fp8_model()), strict=True))


@provided(st.permutations(NETWORKS))
@settings(max_examples=10, deadline=None)
def test_the_order_of_the_tags_changes_no_bit(order) -> None:
    one, other = fp8_model(), fp8_model()
    Patcher(one).apply([StackEntry(net, 1.0, 0.5) for net in NETWORKS])
    Patcher(other).apply([StackEntry(net, 1.0, 0.5) for net in order])
    assert all(torch.equal(a, b) for a, b in zip(run(one), run(other), strict=True))


class Products(TorchDispatchMode):
    """Counts matrix products."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func._schema.name.split("::")[1] in ("mm", "addmm", "bmm", "baddbmm"):
            self.count += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("networks", [1, 5])
def test_any_number_of_networks_is_two_products_more(networks: int) -> None:
    model = fp8_model()
    layer = model.components["unet"].root.proj
    x = torch.randn(3, 24)
    with torch.no_grad(), Products() as plain:
        layer(x)
    Patcher(model).apply([
        StackEntry(lora(f"n{seed}", "denoiser.proj", seed=seed), 1.0, 0.5)
        for seed in range(networks)])
    with torch.no_grad():
        layer(x)  # the factors are put together at the first call
        with Products() as busy:
            layer(x)
    assert busy.count == plain.count + 2


def test_networks_without_factors_leave_the_others_their_two_products(monkeypatch) -> None:
    cases = {case.name: case for case in additive_cases(64, LARGE, torch.float32)}
    chosen = [cases[name] for name in ("loha", "lokr-whole")]
    layer = layer_like(cases["loha"].weight())
    model = one_layer(store_fp8(nn.Sequential(layer))[0])
    stored, x = layer.weight.data.double(), given_to(layer)
    dense, real = [], branch.delta_of
    monkeypatch.setattr(branch, "delta_of", lambda weight, steps: (
        dense.append([step.edit.codec.type_name for step in steps]) or real(weight, steps)))
    with torch.no_grad():
        before = layer(x)
        stack = [StackEntry(network(case.name, {"denoiser.layer": case.parts}, hints=case.hints))
                 for case in chosen]
        Patcher(model).apply(stack)
        found = layer(x) - before
    deltas = sum(case.merged(case.parts, stored) - stored for case in chosen)
    wanted = applied_to(layer, deltas, x.double())
    assert float((found.double() - wanted).norm() / wanted.norm()) < 1e-3
    assert dense == [["lokr"]], "the one that has no two factors"


def test_a_new_strength_and_an_unchanged_stack_do_not_read_the_factors_again(monkeypatch) -> None:
    from loradex.networks.lora import LoraModule

    asked: list[object] = []
    original = LoraModule.factors
    monkeypatch.setattr(
        LoraModule, "factors", lambda self, dyn=None: asked.append(self) or original(self, dyn))
    model, net = fp8_model(), lora("a", "denoiser.proj", "denoiser.conv")
    patcher = Patcher(model)
    for strength in (0.5, 0.5, 0.7):
        patcher.apply([StackEntry(net, 1.0, strength)])
        run(model)
    assert len(asked) == 2
    patcher.apply([StackEntry(net, 1.0, 0.7)])
    assert patcher.work.branches_set == 0


def test_merged_and_unmergeable_layers_meet_in_one_network() -> None:
    model, dense = toy_model(), toy_model()
    store_fp8(model.components["unet"].root.conv)
    for one in (model, dense):
        one.components["unet"].root.conv.bias.data = torch.zeros(8)
    unet = model.components["unet"].root
    unet.conv.weight.data = unet.conv.weight.data.to(FP8)
    unet.conv.__class__ = fp8_model().components["unet"].root.conv.__class__
    dense.components["unet"].root.conv.weight.data = unet.conv.weight.data.float()
    net = lora("a", "denoiser.proj", "denoiser.conv")
    report = Patcher(model).apply([StackEntry(net)])
    Patcher(dense).apply([StackEntry(net)])
    assert str(report.applied[0].components["unet"]) == "2/2 (1 branch)"
    assert report.as_dict()["applied"][0]["components"]["unet"] == {
        "matched": 2, "total": 2, "branch": 1}
    assert all(torch.allclose(a, b, atol=1e-5)
               for a, b in zip(run(model), run(dense), strict=True))


@pytest.mark.parametrize("make", [
    lambda: (nn.LayerNorm(16), torch.randn(2, 5, 16)),
    lambda: (nn.GroupNorm(4, 16), torch.randn(2, 16, 3, 3)),
], ids=["layer norm", "group norm"])
def test_a_norm_in_fp8_is_changed_beside_it(make) -> None:
    layer, x = make()
    layer.weight.data += 0.5 * torch.randn(16)
    root = store_fp8(nn.Sequential(layer), kinds=NORMS)
    parts = {"w_norm": torch.randn(16) * 1e-3, "b_norm": torch.randn(16) * 1e-3}
    with torch.no_grad():
        before = layer(x)
        patcher = Patcher(one_layer(root[0]))
        report = patcher.apply([StackEntry(network("a", {"denoiser.layer": parts}))])
        found = layer(x) - before
        scaled = type(layer).__mro__[1].forward(
            _plain(layer, parts["w_norm"], parts["b_norm"]), x)
        assert torch.allclose(found, scaled, atol=1e-6)
        assert str(report.applied[0].components["unet"]) == "1/1 (branch)"
        patcher.restore()
        assert torch.equal(layer(x), before)


def _plain(norm: nn.Module, weight: torch.Tensor, bias: torch.Tensor) -> nn.Module:
    """The same norm in fp32 with these parameters."""
    plain = type(norm).__mro__[1]
    first = [norm.num_groups] if isinstance(norm, nn.GroupNorm) else []
    made = plain(*first, 16, eps=norm.eps)
    made.weight.data, made.bias.data = weight, bias
    return made


def test_a_bias_in_fp8_is_changed_beside_the_layer() -> None:
    model = fp8_model()
    layer = model.components["unet"].root.proj
    x = torch.randn(2, 24)
    parts = {"diff": torch.zeros(16, 24), "diff_b": torch.linspace(-1, 1, 16)}
    with torch.no_grad():
        before = layer(x)
        Patcher(model).apply([StackEntry(network("a", {"denoiser.proj": parts}), 1.0, 0.5)])
        found = layer(x) - before
    assert torch.allclose(found, 0.5 * parts["diff_b"].expand(2, -1), atol=1e-6)


def test_a_layer_without_a_bias_gets_one_beside_it() -> None:
    model = fp8_model()
    layer = model.components["unet"].root.bare
    x = torch.randn(2, 16)
    parts = {"diff": torch.zeros(16, 16), "diff_b": torch.ones(16)}
    with torch.no_grad():
        before = layer(x)
        Patcher(model).apply([StackEntry(network("a", {"denoiser.bare": parts}))])
        assert torch.allclose(layer(x) - before, torch.ones(2, 16))
    assert layer.bias is None


def test_a_replacing_network_replaces_an_fp8_weight_whole() -> None:
    model = fp8_model()
    layer = model.components["unet"].root.proj
    value, x = torch.randn(16, 24), torch.randn(2, 24)
    net = network("a", {"denoiser.proj": {"set_weight": value}})
    Patcher(model).apply([StackEntry(net, 1, 0.3)])
    with torch.no_grad():
        wanted = x @ value.t() + layer.bias.float()
        assert torch.allclose(layer(x), wanted, atol=1e-5)


def test_a_circular_convolution_stays_circular() -> None:
    # AUTOMATIC1111's "Tiling" sets the padding mode of every convolution
    case = next(one for one in CASES if one.name == "lora-conv3x3")
    layer = layer_like(case.weight())
    layer.padding_mode = "circular"
    layer._reversed_padding_repeated_twice = [1, 1, 1, 1]
    store_fp8(nn.Sequential(layer))
    stored, x = layer.weight.data.float(), given_to(layer)
    delta = oracle.lora_delta(case.parts, case.weight_shape).float()
    with torch.no_grad():
        Patcher(one_layer(layer)).apply([StackEntry(network("a", {"denoiser.layer": case.parts}))])
        wanted = layer._conv_forward(x, stored + delta, layer.bias.float())
        assert torch.allclose(layer(x), wanted, atol=1e-4)


def test_a_grouped_convolution_gets_its_delta_whole() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(8, 12, 3, padding=1, groups=4).requires_grad_(False)
    store_fp8(nn.Sequential(layer))
    parts = lora_parts((12, 2, 3, 3))
    stored, x = layer.weight.data.float(), torch.randn(2, 8, 5, 5)
    delta = oracle.lora_delta(parts, (12, 2, 3, 3)).float()
    with torch.no_grad():
        Patcher(one_layer(layer)).apply([StackEntry(network("a", {"denoiser.layer": parts}))])
        wanted = layer._conv_forward(x, stored + delta, layer.bias.float())
        assert torch.allclose(layer(x), wanted, atol=1e-5)


def test_base_model_networks_write_the_latent_channels_of_an_fp8_inpainting_model() -> None:
    from loradex.keys.architecture import Architecture, Builder
    from loradex.networks.model import BoundComponent, BoundModel

    torch.manual_seed(0)
    root = nn.Module()
    root.conv_in = nn.Conv2d(9, 8, 3).requires_grad_(False)
    store_fp8(root)
    out = Builder()
    out.conv("conv_in", "conv_in", 8, 9)
    table = Architecture("toy", "denoiser", tuple(out.leaves))
    model = BoundModel({"unet": BoundComponent("unet", root, table, "native")})
    parts, x = lora_parts((8, 4, 3, 3)), torch.randn(1, 9, 4, 4)
    delta = torch.zeros(8, 9, 3, 3)
    delta[:, :4] = oracle.lora_delta(parts, (8, 4, 3, 3)).float()
    with torch.no_grad():
        before = root.conv_in(x)
        Patcher(model).apply([StackEntry(network("a", {"denoiser.conv_in": parts}))])
        found = root.conv_in(x) - before
    assert torch.allclose(found, nn.functional.conv2d(x, delta), atol=1e-5)


def test_a_model_that_is_cast_to_fp8_under_a_network_is_followed(monkeypatch) -> None:
    real = torch.equal

    def of_torch_2_1(one: torch.Tensor, other: torch.Tensor) -> bool:
        if one.dtype == torch.float8_e4m3fn:
            raise RuntimeError("\"equal_cpu\" not implemented for 'Float8_e4m3fn'")
        return real(one, other)

    monkeypatch.setattr(torch, "equal", of_torch_2_1)
    model, fresh = toy_model(), fp8_model()
    net = lora("a", "denoiser.proj", "denoiser.conv")
    patcher = Patcher(model)
    patcher.apply([StackEntry(net)])
    patcher.restore()
    for part in model.components.values():
        store_fp8(part.root)
    patcher.apply([StackEntry(net)])
    Patcher(fresh).apply([StackEntry(net)])
    assert all(torch.equal(a, b) for a, b in zip(run(model), run(fresh), strict=True))


def test_a_layer_that_was_exchanged_is_let_go_and_served_anew() -> None:
    model = fp8_model()
    unet = model.components["unet"].root
    patcher, net = Patcher(model), lora("a", "denoiser.proj")
    patcher.apply([StackEntry(net)])
    old, unet.proj = unet.proj, nn.Linear(24, 16).requires_grad_(False)
    base = unet.proj.weight.detach().clone()
    report = patcher.apply([StackEntry(net)])
    assert not old._forward_hooks
    assert "replaced by another tool" in report.notes[0]
    assert not torch.equal(unet.proj.weight, base)  # the new layer is fp32: merged


def test_attention_that_reads_its_weights_itself_is_left_out_with_a_note() -> None:
    from loradex.keys.architecture import Architecture, Builder
    from loradex.networks.model import BoundComponent, BoundModel

    root = nn.Module()
    root.attention = nn.MultiheadAttention(8, 2).requires_grad_(False)
    root.mlp = CastLinear(8, 8).requires_grad_(False)
    for module in (root.attention.out_proj, root.mlp):
        module.weight.data = module.weight.data.to(FP8)
    out = Builder()
    out.linear("out_proj", "attention.out_proj", 8, 8)
    out.linear("mlp", "mlp", 8, 8)
    table = Architecture("toy", "te", tuple(out.leaves))
    base = toy_model()
    model = BoundModel({**base.components, "te": BoundComponent("te", root, table, "native")})
    parts = {"te.out_proj": lora_parts((8, 8)), "te.mlp": lora_parts((8, 8))}
    report = Patcher(model).apply([StackEntry(network("a", parts))])
    assert str(report.applied[0].components["te"]) == "1/2 (branch)"
    assert "torch's attention reads it without calling it" in report.applied[0].notes[0]


def test_weights_that_are_elsewhere_take_networks_that_do_not_need_their_values() -> None:
    model = toy_model()
    model.components["unet"].root.proj.to("meta")
    patcher = Patcher(model)
    plain = patcher.apply([StackEntry(lora("a", "denoiser.proj"))])
    assert str(plain.applied[0].components["unet"]) == "1/1 (branch)"
    dora = patcher.apply([StackEntry(NETWORKS[3])])
    assert "not in memory" in dora.applied[0].skipped
    assert "needs to know their values" in dora.applied[0].skipped


def test_a_compiled_model_is_refused_where_it_needs_a_branch_and_merged_where_not() -> None:
    model = fp8_model()
    model.components["unet"].root.compile(backend="eager")
    report = Patcher(model).apply([StackEntry(lora("a", "denoiser.proj"))])
    assert "compiled by torch" in report.applied[0].skipped


def test_a_merge_is_seen_by_a_compiled_model_and_compiles_nothing_again() -> None:
    from torch._dynamo.testing import CompileCounter

    model, dense = toy_model(), toy_model()
    counter = CompileCounter()
    proj = model.components["unet"].root.proj
    compiled = torch.compile(proj, backend=counter)
    x, patcher, plain = torch.randn(2, 24), Patcher(model), Patcher(dense)
    with torch.no_grad():
        compiled(x)
        for seed in range(3):
            net = lora(f"n{seed}", "denoiser.proj", seed=seed)
            patcher.apply([StackEntry(net)])
            plain.apply([StackEntry(net)])
            assert torch.equal(compiled(x), dense.components["unet"].root.proj(x))
        patcher.restore()
        assert torch.equal(compiled(x), toy_model().components["unet"].root.proj(x))
    assert counter.frame_count == 1


def test_shapes_still_have_to_fit() -> None:
    model = fp8_model()
    turned = network("a", {"denoiser.proj": lora_parts((24, 16))})
    report = Patcher(model).apply([StackEntry(turned)])
    assert "proj is [24, 16], the model's is [16, 24]" in report.applied[0].skipped
    assert SHAPES["denoiser.proj"] == tuple(parameter(model, "unet.proj.weight").shape)
