"""Every network type through the patcher: the formula in fp64, rounded once at the end."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from loradex.keys.architecture import Architecture, Builder  # noqa: E402
from loradex.keys.parse import ParsedFile  # noqa: E402
from loradex.keys.targets import FileModule, Kind  # noqa: E402
from loradex.networks.model import BoundComponent, BoundModel  # noqa: E402
from loradex.networks.network import LoadedModule, Network  # noqa: E402
from loradex.networks.patcher import Patcher, StackEntry  # noqa: E402
from loradex.networks.types import build_module  # noqa: E402
from torch import nn  # noqa: E402

from tests.networks.enginekit import bits  # noqa: E402
from tests.networks.type_cases import SMALL, Case, all_cases  # noqa: E402

pytestmark = pytest.mark.torch

KINDS = {1: Kind.NORM, 2: Kind.LINEAR, 4: Kind.CONV}
NAMES = [name for name, case in all_cases().items() if len(case.weight_shape) in KINDS]
STRENGTHS = (1.0, 0.5, -0.7)


class Holder(nn.Module):
    """A layer of any shape, with its weight and bias."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(weight.shape[0], dtype=weight.dtype))


def model_of(weight: torch.Tensor) -> tuple[BoundModel, Holder]:
    root = nn.Module()
    root.layer = Holder(weight)
    out = Builder()
    out.add(KINDS[weight.dim()], tuple(weight.shape), "layer", "layer")
    table = Architecture("one", "denoiser", tuple(out.leaves))
    bound = BoundComponent("unet", root, table, "diffusers")
    return BoundModel({"unet": bound}), root.layer


def network_of(case: Case, name: str = "a") -> Network:
    found = FileModule("denoiser", "layer", "kohya", {role: role for role in case.parts})
    module = LoadedModule(found, build_module(case.parts, case.hints))
    shapes = {role: tuple(tensor.shape) for role, tensor in case.parts.items()}
    return Network(name, name, None, 1, 1, (module,), (), ParsedFile((found,), {}), {}, shapes)


def wanted(case: Case, weight: torch.Tensor, strength: float, replaces: bool) -> torch.Tensor:
    whole = case.merged(case.parts, weight.double())
    return whole if replaces else weight.double() + strength * (whole - weight.double())


def is_additive(case: Case) -> bool:
    codec = network_of(case).modules[0].codec
    return codec.writes_weight and not codec.weight_dependent


@pytest.mark.parametrize("name", NAMES)
def test_every_type_is_exact_and_restored_in_fp32(name: str) -> None:
    case = all_cases()[name]
    weight = case.weight()
    network = network_of(case)
    codec = network.modules[0].codec
    if not codec.writes_weight:
        pytest.skip("this type writes the bias only")
    model, layer = model_of(weight.clone())
    patcher = Patcher(model)
    for strength in STRENGTHS:
        patcher.apply([StackEntry(network, 1.0, strength)], strict=True)
        want = wanted(case, weight, strength, codec.replaces)
        error = (layer.weight.detach().double() - want).norm() / want.norm()
        assert float(error) <= 1e-6
    patcher.restore()
    assert torch.equal(bits(layer.weight), bits(weight))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["fp16", "bf16"])
@pytest.mark.parametrize("name", NAMES)
def test_every_type_is_rounded_once_into_16_bit(name: str, dtype: torch.dtype) -> None:
    case = all_cases(256, SMALL, torch.float16)[name]
    weight = case.weight().to(dtype)
    network = network_of(case)
    codec = network.modules[0].codec
    if not codec.writes_weight:
        pytest.skip("this type writes the bias only")
    model, layer = model_of(weight.clone())
    Patcher(model).apply([StackEntry(network, 1.0, 0.5)], strict=True)
    want = wanted(case, weight, 0.5, codec.replaces).to(dtype)
    assert int((layer.weight != want).sum()) <= max(1, want.numel() // 10_000)


@pytest.mark.parametrize("name", [name for name in NAMES if "dora" in name][:4])
def test_weight_dependent_deltas_come_from_the_checkpoint_whatever_is_beside(name: str) -> None:
    case = all_cases()[name]
    weight = case.weight()
    plain = next(one for one in all_cases().values()
                 if one.weight_shape == case.weight_shape and is_additive(one))
    results = []
    for names in (("a", "b"), ("b", "a")):
        model, layer = model_of(weight.clone())
        stack = [StackEntry(network_of(case, names[0]), 1.0, 0.5),
                 StackEntry(network_of(plain, names[1]), 1.0, 1.0)]
        Patcher(model).apply(stack)
        results.append(layer.weight.detach().clone())
    want = (wanted(case, weight, 0.5, False) + plain.merged(plain.parts, weight.double())
            - weight.double())
    for found in results:
        assert float((found.double() - want).norm() / want.norm()) <= 1e-6


def test_a_replaced_weight_is_the_files_to_the_last_bit() -> None:
    case = next(one for name, one in all_cases().items() if name.startswith("set"))
    network = network_of(case)
    model, layer = model_of(case.weight())
    Patcher(model).apply([StackEntry(network, 1.0, 0.3)])
    value = case.parts["set_weight"].reshape(layer.weight.shape)
    assert torch.equal(bits(layer.weight), bits(value.float()))
