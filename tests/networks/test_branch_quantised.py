"""Networks beside real quantised layers: bitsandbytes 8 and 4 bit, GGUF and torchao."""

from __future__ import annotations

import warnings

import pytest

torch = pytest.importorskip("torch")

from loradex.networks.patcher import Patcher, StackEntry  # noqa: E402
from loradex.networks.storage import shape_of, unmergeable, values_of  # noqa: E402
from torch import nn  # noqa: E402

from tests.networks.enginekit import network  # noqa: E402
from tests.networks.stored import (  # noqa: E402
    applied_to,
    effective_strength,
    given_to,
    layer_like,
    one_layer,
)
from tests.networks.type_cases import all_cases  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.peers]

LINEAR = [one for one in all_cases(64, 1e-2, torch.float32).values()
          if len(one.weight_shape) == 2 and one.name in ("lora", "loha", "lokr-both", "dora-out")]


def four_bit(plain: nn.Linear) -> nn.Module:
    bnb = pytest.importorskip("bitsandbytes")
    layer = bnb.nn.Linear4bit(
        plain.in_features, plain.out_features, compute_dtype=torch.float32, quant_type="nf4")
    layer.load_state_dict(plain.state_dict())
    return layer.to("cpu")


def eight_bit(plain: nn.Linear) -> nn.Module:
    bnb = pytest.importorskip("bitsandbytes")
    layer = bnb.nn.Linear8bitLt(plain.in_features, plain.out_features, has_fp16_weights=False)
    layer.load_state_dict(plain.state_dict())
    return layer.to("cpu")


def gguf(plain: nn.Linear) -> nn.Module:
    package = pytest.importorskip("gguf")
    from diffusers.quantizers.gguf.utils import GGUFLinear, GGUFParameter

    kind = package.GGMLQuantizationType.Q8_0
    packed = torch.from_numpy(package.quants.quantize(plain.weight.numpy(), kind))
    layer = GGUFLinear(plain.in_features, plain.out_features, True, compute_dtype=torch.float32)
    layer.weight = GGUFParameter(packed, quant_type=kind)
    layer.bias = plain.bias
    return layer


def torchao(plain: nn.Linear) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it says of kernels and of its own imports
        quantization = pytest.importorskip("torchao.quantization")
        root = nn.Sequential(plain)
        quantization.quantize_(root, quantization.Int8WeightOnlyConfig())
    return root[0]


@pytest.mark.filterwarnings("ignore:MatMul8bitLt")
@pytest.mark.parametrize("quantise", [four_bit, eight_bit, gguf, torchao])
@pytest.mark.parametrize("case", LINEAR, ids=lambda one: one.name)
def test_a_quantised_layer_gets_the_whole_effect_and_keeps_its_bytes(case, quantise) -> None:
    layer = quantise(layer_like(case.weight())).requires_grad_(False)
    x = given_to(layer)
    with torch.no_grad():
        before = layer(x)
        assert unmergeable(layer.weight)
        assert shape_of(layer.weight) == case.weight_shape
        stored = values_of(layer, layer.weight)
        patcher = Patcher(one_layer(layer))
        net = network("a", {"denoiser.layer": case.parts}, hints=case.hints)
        report = patcher.apply([StackEntry(net)])
        assert str(report.applied[0].components["unet"]) == "1/1 (branch)"
        found = layer(x) - before
        patcher.restore()
        assert torch.equal(layer(x), before)
    wanted = applied_to(layer, case.merged(case.parts, stored.double()) - stored, x.double())
    assert abs(effective_strength(found, wanted) - 1.0) < 0.01
