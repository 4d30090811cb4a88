"""Layers as hosts store them in fp8, for the tests of what is computed beside a weight."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from loradex.keys.architecture import Architecture, Builder
from loradex.networks.model import BoundComponent, BoundModel
from loradex.networks.storage import shape_of
from torch import Tensor, nn
from torch.nn import functional

FP8 = torch.float8_e4m3fn


class CastLinear(nn.Linear):
    """Keeps its weight in fp8 and computes in the input's dtype, as the WebUIs do."""

    def forward(self, given: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(given.dtype)
        return functional.linear(given, self.weight.to(given.dtype), bias)


class CastConv(nn.Conv2d):
    def forward(self, given: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(given.dtype)
        return self._conv_forward(given, self.weight.to(given.dtype), bias)


class CastLayerNorm(nn.LayerNorm):
    def forward(self, given: Tensor) -> Tensor:
        weight, bias = self.weight.to(given.dtype), self.bias.to(given.dtype)
        return functional.layer_norm(given, self.normalized_shape, weight, bias, self.eps)


class CastGroupNorm(nn.GroupNorm):
    def forward(self, given: Tensor) -> Tensor:
        weight, bias = self.weight.to(given.dtype), self.bias.to(given.dtype)
        return functional.group_norm(given, self.num_groups, weight, bias, self.eps)


_CAST: Mapping[type, type[nn.Module]] = {nn.Linear: CastLinear, nn.Conv2d: CastConv}
NORMS: Mapping[type, type[nn.Module]] = {
    nn.LayerNorm: CastLayerNorm, nn.GroupNorm: CastGroupNorm}
"""Forge keeps norms in fp8 as well, AUTOMATIC1111 and diffusers do not."""


def store_fp8(
    root: nn.Module, dtype: torch.dtype = FP8, kinds: Mapping[type, type[nn.Module]] = _CAST
) -> nn.Module:
    """Every linear layer and convolution of the module in fp8, biases included."""
    for module in root.modules():
        kind = kinds.get(type(module))
        if kind is not None:
            module.__class__ = kind
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.to(dtype)
    return root


def one_layer(layer: nn.Module) -> BoundModel:
    """A model of one layer, named `layer`."""
    root = nn.Module()
    root.layer = layer
    out = Builder()
    shape = shape_of(layer.weight)
    if len(shape) == 1:
        out.norm("layer", "layer", *shape)
    elif len(shape) == 2:
        out.linear("layer", "layer", *shape)
    else:
        out.conv("layer", "layer", shape[0], shape[1], shape[2])
    table = Architecture("one", "denoiser", tuple(out.leaves))
    return BoundModel({"unet": BoundComponent("unet", root, table, "native")}, "one layer")


def layer_like(weight: Tensor, seed: int = 3) -> nn.Module:
    """A linear layer or convolution with this weight and a bias."""
    torch.manual_seed(seed)
    shape = weight.shape
    made: nn.Module
    if len(shape) == 2:
        made = nn.Linear(shape[1], shape[0])
    else:
        made = nn.Conv2d(shape[1], shape[0], tuple(shape[2:]), padding=shape[2] // 2)
    made.weight.data = weight.clone()
    return made.requires_grad_(False)


def given_to(layer: nn.Module, seed: int = 5, batch: int = 2) -> Tensor:
    """An input of the layer."""
    random = torch.Generator().manual_seed(seed)
    if isinstance(layer, nn.Conv2d):
        return torch.randn(batch, layer.in_channels, 6, 5, generator=random)
    return torch.randn(batch, 7, layer.in_features, generator=random)


def applied_to(layer: nn.Module, weight: Tensor, given: Tensor) -> Tensor:
    """What the layer would compute with this weight and no bias, in the input's dtype."""
    if isinstance(layer, nn.Conv2d):
        return layer._conv_forward(given, weight.to(given.dtype), None)
    return functional.linear(given, weight.to(given.dtype))


def effective_strength(found: Tensor, wanted: Tensor) -> float:
    """How much of the wanted change is in the one that was found: 1 is all of it."""
    found, wanted = found.double().flatten(), wanted.double().flatten()
    return float(found @ wanted / (wanted @ wanted))


def bytes_of(root: nn.Module) -> Mapping[str, Tensor]:
    """A copy of every parameter's bytes, whatever it stores."""
    return {
        name: parameter.data.detach().clone().contiguous().view(torch.uint8)
        for name, parameter in root.named_parameters()
    }
