"""The same tensors in LyCORIS' own modules: their forward is the measure.

Not their `get_diff_weight` or merge, which apply alpha / r twice for LoHa and LoKr. At another
multiplier than 1 their DoRA, BOFT and rescaled OFT follow a rule of their own; it is told apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from loradex.networks.types import ModuleHints, build_module  # noqa: E402
from torch import Tensor, nn  # noqa: E402

pytestmark = [
    pytest.mark.torch, pytest.mark.peers,
    pytest.mark.filterwarnings("ignore"),  # theirs and their dependencies', not ours
]

ROLES = {
    "lora_up.weight": "up", "lora_down.weight": "down", "lora_mid.weight": "mid",
    "weight": "ia3_weight", **{f"{name}.weight": name for name in ("a1", "a2", "b1", "b2", "bm")},
}


@pytest.fixture(scope="module")
def lycoris() -> Any:
    return pytest.importorskip("lycoris.modules")


def linear() -> nn.Module:
    return nn.Linear(48, 64)


def conv() -> nn.Module:
    return nn.Conv2d(32, 64, 3, padding=1)


def pointwise() -> nn.Module:
    return nn.Conv2d(32, 64, 1)


def layer_norm() -> nn.Module:
    return nn.LayerNorm(48)


KINDS: dict[str, tuple[Callable[[], nn.Module], str, dict[str, Any]]] = {
    "lora": (linear, "LoConModule", {}),
    "lora-conv": (conv, "LoConModule", {}),
    "lora-conv1x1": (pointwise, "LoConModule", {}),
    "lora-tucker": (conv, "LoConModule", {"use_tucker": True}),
    "lora-rs": (linear, "LoConModule", {"rs_lora": True}),
    "loha": (linear, "LohaModule", {}),
    "loha-conv": (conv, "LohaModule", {}),
    "loha-tucker": (conv, "LohaModule", {"use_tucker": True}),
    "lokr": (linear, "LokrModule", {"lora_dim": 2}),
    "lokr-both": (linear, "LokrModule", {"lora_dim": 1, "decompose_both": True}),
    "lokr-whole": (linear, "LokrModule", {"full_matrix": True}),
    "lokr-conv": (conv, "LokrModule", {"lora_dim": 2}),
    "lokr-tucker": (conv, "LokrModule", {"lora_dim": 2, "use_tucker": True}),
    "lokr-conv-whole": (conv, "LokrModule", {"full_matrix": True}),
    "glora": (linear, "GLoRAModule", {}),
    "glora-conv": (conv, "GLoRAModule", {}),
    "ia3-out": (linear, "IA3Module", {}),
    "ia3-in": (linear, "IA3Module", {"train_on_input": True}),
    "ia3-conv-out": (conv, "IA3Module", {}),
    "ia3-conv-in": (conv, "IA3Module", {"train_on_input": True}),
    "oft": (linear, "DiagOFTModule", {}),
    "oft-constraint": (linear, "DiagOFTModule", {"constraint": 0.001}),
    "oft-conv": (conv, "DiagOFTModule", {}),
    "norm": (layer_norm, "NormModule", {}),
}
"""Right at multiplier 1 and at 0.5."""

AT_ONE: dict[str, tuple[Callable[[], nn.Module], str, dict[str, Any]]] = {
    **{
        f"dora-{inner}-{layer.__name__}-{'out' if out else 'in'}":
        (layer, module, {"weight_decompose": True, "wd_on_out": out, "lora_dim": 2})
        for inner, module in (
            ("lora", "LoConModule"), ("loha", "LohaModule"), ("lokr", "LokrModule")
        )
        for layer in (linear, conv)
        for out in (True, False)
    },
    "oft-rescaled": (linear, "DiagOFTModule", {"rescaled": True}),
    "oft-conv-rescaled": (conv, "DiagOFTModule", {"rescaled": True, "constraint": 0.01}),
    "boft": (linear, "ButterflyOFTModule", {}),
    "boft-conv": (conv, "ButterflyOFTModule", {"rescaled": True, "constraint": 0.001}),
}
"""Right at multiplier 1 only: theirs interpolates within the formula."""


def trained(lycoris: Any, kind: tuple[Callable[[], nn.Module], str, dict[str, Any]]) -> Any:
    """Their module around a fresh layer, with every parameter moved off its start.

    In fp64, but for OFT and BOFT, whose inverse theirs takes in fp32 only.
    """
    layer, name, arguments = kind
    dtype = torch.float32 if "OFT" in name else torch.float64
    torch.manual_seed(5)
    original = layer().to(dtype)
    settings = {"lora_dim": 4, "alpha": 3.0} | arguments
    module = getattr(lycoris, name)("block", original, 1.0, **settings).to(dtype)
    with torch.no_grad():
        for key, parameter in module.named_parameters():
            start = parameter if "dora_scale" in key or "rescale" in key else 0.0
            parameter.copy_(start + torch.randn_like(parameter) * 0.03)
        if hasattr(module, "dora_scale"):
            module.dora_scale = nn.Parameter(module.dora_scale.to(dtype) * 1.05)
    return module.eval()


def parts_of(module: Any) -> dict[str, Tensor]:
    found = {ROLES.get(key, key): value.detach() for key, value in module.state_dict().items()}
    return {role: tensor for role, tensor in found.items() if role != "scalar"}


def their_delta(module: Any, multiplier: float, x: Tensor) -> Tensor:
    module.multiplier = multiplier
    with torch.no_grad():
        return module(x) - module.org_module[0](x)


def our_delta(module: Any, x: Tensor) -> Tensor:
    original = module.org_module[0]
    codec = build_module(parts_of(module), ModuleHints("file", "block"))
    assert codec.notes == ()
    weight = original.weight.detach()
    with torch.no_grad():
        change = codec.delta(weight.float()).to(weight)
        weight0, bias0 = weight.clone(), original.bias.detach().clone()
        bias_change = codec.bias_delta(bias0.float(), weight.float())
        original.weight.add_(change)
        original.bias.add_(0 if bias_change is None else bias_change.to(weight))
        after = original(x)
        original.weight.copy_(weight0)
        original.bias.copy_(bias0)
        return after - original(x)


def inputs(module: Any) -> Tensor:
    original = module.org_module[0]
    if isinstance(original, nn.Conv2d):
        return torch.randn(2, original.in_channels, 7, 7).to(original.weight)
    return torch.randn(5, 48).to(original.weight)


def compare(module: Any, multiplier: float) -> float:
    x = inputs(module)
    theirs = their_delta(module, multiplier, x)
    ours = multiplier * our_delta(module, x)
    return float((ours - theirs).norm() / theirs.norm())


def bound(name: str) -> float:
    """Differences of fp32 outputs lose digits where theirs cannot run in fp64."""
    return 1e-4 if "oft" in name else 1e-6


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("multiplier", [1.0, 0.5])
def test_the_delta_is_that_of_their_forward(lycoris: Any, name: str, multiplier: float) -> None:
    assert compare(trained(lycoris, KINDS[name]), multiplier) < bound(name)


@pytest.mark.parametrize("name", AT_ONE)
def test_the_delta_is_that_of_their_forward_at_one(lycoris: Any, name: str) -> None:
    assert compare(trained(lycoris, AT_ONE[name]), 1.0) < bound(name)


@pytest.mark.parametrize("name", ["dora-lora-linear-out", "boft", "oft-rescaled"])
def test_at_half_strength_theirs_is_another_rule(lycoris: Any, name: str) -> None:
    """Ours is W + s (f(W) - W) for every type; theirs at multiplier 0 is not even W for DoRA."""
    assert compare(trained(lycoris, AT_ONE[name]), 0.5) > 1e-3


def test_full_difference(lycoris: Any) -> None:
    """Theirs holds the whole new weight while it is applied, so the forward is its own."""
    original = linear()
    weight, bias = original.weight.detach().clone(), original.bias.detach().clone()
    module = lycoris.FullModule("block", original)
    module.apply_to()
    with torch.no_grad():
        module.weight.add_(torch.randn_like(module.weight) * 0.03)
        module.bias.add_(torch.randn_like(module.bias) * 0.03)
    codec = build_module(parts_of(module))
    x = torch.randn(5, 48)
    with torch.no_grad():
        want = original(x)
    change = codec.bias_delta(bias, weight)
    assert change is not None
    got = nn.functional.linear(x, weight + codec.delta(weight), bias + change)
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["loha", "lokr"])
def test_their_merge_applies_alpha_over_rank_twice(lycoris: Any, name: str) -> None:
    """Why forward is the measure."""
    module = trained(lycoris, KINDS[name])
    shape = module.org_module[0].weight.shape
    theirs = module.get_diff_weight(1.0, shape)[0].detach()
    ours = build_module(parts_of(module)).delta(module.org_module[0].weight.detach().float())
    torch.testing.assert_close(theirs.float(), ours * module.scale, rtol=1e-4, atol=1e-7)
    assert module.scale != 1
