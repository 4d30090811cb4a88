"""How a model's weight is stored: whether a delta may be added to it, its shape, its values.

A weight of 16 or 32 bit is merged into. One of 8 bit or less is not: rounding the sum again keeps
33 to 54 % of a LoRA's effect in fp8. Such a weight, and one that an offloader keeps elsewhere, gets
its networks beside it (`branch`), for which its shape is enough; the types whose delta depends on
the weight need its values too.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import torch
from torch import Tensor, nn

from loradex.keys.targets import Shape

MERGEABLE = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.LayerNorm, nn.GroupNorm)
_NO_PRODUCT = (nn.Embedding, nn.MultiheadAttention)


def unmergeable(parameter: Tensor) -> str:
    """Why a delta cannot be added to this parameter; empty where it can."""
    data = parameter.data
    if data.is_meta:
        return "its weights are not in memory (offloaded to disk or streamed)"
    if type(data) is not Tensor:
        return f"its weights are quantised ({type(data).__name__})"
    if data.dtype in MERGEABLE:
        return ""
    name = str(data.dtype).removeprefix("torch.")
    if name.startswith("float8"):
        return f"its weights are stored as {name}"
    return f"its weights are quantised ({name})"


def unbranchable(module: nn.Module, holder: nn.Module, attribute: str) -> str:
    """Why a network cannot be computed beside this layer; empty where it can.

    That needs a layer which is called with what its weight is multiplied with, or a norm that is
    known.
    """
    if not attribute.endswith(("weight", "bias")) or attribute.startswith("in_proj"):
        return f"'{attribute}' is no layer of its own"
    if isinstance(holder, nn.MultiheadAttention):
        return "torch's attention reads it without calling it"
    if isinstance(module, _NO_PRODUCT) or not callable(getattr(module, "forward", None)):
        return f"a {type(module).__name__} is no matrix product"
    weight = module._parameters.get("weight")
    if weight is not None and len(shape_of(weight)) < 2 and not is_norm(module):
        return f"a {type(module).__name__} is no matrix product"
    return ""


def is_compiled(root: nn.Module) -> bool:
    """Whether torch.compile holds the module or a part of it: what is hooked in later is skipped.

    `Module.compile` (torch 2.2) leaves its mark on the module, `torch.compile` wraps it.
    """
    return any(
        getattr(module, "_compiled_call_impl", None) is not None
        or type(module).__name__ == "OptimizedModule"
        for module in root.modules()
    )


def is_convolution(module: nn.Module) -> bool:
    return isinstance(module, _CONVOLUTIONS)


def is_norm(module: nn.Module) -> bool:
    """Whether it scales each channel, after a normalisation that torch's functions do alone."""
    return isinstance(module, _NORMS)


def channels_axis(module: nn.Module, output: Tensor) -> int:
    """The dimension of a layer's output that its bias [channels] lies along."""
    return 1 if isinstance(module, (*_CONVOLUTIONS, nn.GroupNorm)) else output.dim() - 1


def shape_of(parameter: Tensor) -> Shape:
    """[out, in, *kernel] of a weight, also where it is packed.

    bitsandbytes keeps the shape in `quant_state`, diffusers' GGUF parameters in `quant_shape`.
    """
    for told in (
        getattr(getattr(parameter, "quant_state", None), "shape", None),
        getattr(parameter, "quant_shape", None),
    ):
        if told is not None:
            return tuple(told)
    return tuple(parameter.shape)


def values_of(module: nn.Module, parameter: Tensor) -> Tensor | None:
    """The weight that the layer computes with, fp32; `None` where only its owner can tell."""
    data = parameter.data
    if data.is_meta:
        return None
    found = _unpacked(module, parameter)
    if found is not None:
        found = found.to(torch.float32)
    return found


def has_values(module: nn.Module, parameter: Tensor) -> bool:
    """Whether `values_of` can tell; nothing is unpacked for the question."""
    if parameter.data.is_meta:
        return False
    if type(parameter).__name__ == "Int8Params":
        return _int8_scale(module, parameter) is not None
    knows = ("quant_state", "quant_shape", "dequantize_as_pytorch_parameter")
    packed = any(getattr(parameter, name, None) is not None for name in knows)
    data = parameter.data
    return packed or _dequantises(data) or data.dtype.is_floating_point


def readable_bias(bias: Tensor) -> Tensor:
    """A bias [out] in fp32; where its values are elsewhere, NaN, so that a use of them shows."""
    if bias.data.is_meta:
        return torch.full(tuple(bias.shape), math.nan)
    return bias.detach().to(torch.float32)


def _unpacked(module: nn.Module, parameter: Any) -> Tensor | None:
    """By what the parameter has; the package that made it is loaded, since it is here."""
    data: Any = parameter.data
    if getattr(parameter, "quant_state", None) is not None:
        package: Any = sys.modules["bitsandbytes"]
        return _tensor(package.functional.dequantize_4bit(data, parameter.quant_state))
    if type(parameter).__name__ == "Int8Params":
        return _eight_bit(module, parameter)
    if hasattr(parameter, "quant_shape"):  # diffusers' GGUF
        maker: Any = sys.modules[type(parameter).__module__]
        return _tensor(maker.dequantize_gguf_tensor(parameter))
    if hasattr(parameter, "dequantize_as_pytorch_parameter"):  # Forge's GGUF
        return _tensor(parameter.dequantize_as_pytorch_parameter().data)
    if _dequantises(data):
        return _tensor(data.dequantize())
    if not data.dtype.is_floating_point:
        return None
    scale = getattr(module, "scale_weight", None)  # ComfyUI's and Forge's scaled fp8
    return _tensor(data if scale is None else data.to(torch.float32) * scale.float())


def _dequantises(data: Tensor) -> bool:
    """Whether it is a tensor that knows how it is packed (torchao)."""
    return type(data) is not Tensor and hasattr(data, "dequantize")


def _tensor(found: Any) -> Tensor:
    values: Tensor = found
    return values


def _eight_bit(module: nn.Module, parameter: Any) -> Tensor | None:
    """Rows scaled by SCB / 127 (bitsandbytes)."""
    scale = _int8_scale(module, parameter)
    if scale is None:
        return None
    return _tensor(parameter.data.to(torch.float32) * (scale.float() / 127.0).unsqueeze(1))


def _int8_scale(module: Any, parameter: Any) -> Tensor | None:
    """From the first call on the layer keeps it in its `state`."""
    scale: Tensor | None = getattr(parameter, "SCB", None)
    return scale if scale is not None else getattr(getattr(module, "state", None), "SCB", None)
