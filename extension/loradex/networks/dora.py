"""DoRA: the changed weight is brought to a stored magnitude per output or per input channel."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from loradex.networks.base import NetworkModule, channel, f64
from loradex.networks.parts import Parts, Shape, show

MAGNITUDES = ("dora_scale", "magnitude_vector", "magnitude")
"""LyCORIS and kohya; PEFT; ai-toolkit."""


@dataclass(frozen=True, eq=False)
class DoraModule(NetworkModule):
    """W' = m * (W + dW) / ||W + dW|| with dW of the inner LoRA, LoHa or LoKr, alpha / r in it.

    The norm is taken over everything but the magnitude's axis. A1111 takes the input axis always,
    ComfyUI and Forge divide by ||W|| for the output axis: both give another image.
    """

    type_name = "dora"
    weight_dependent = True

    inner: NetworkModule
    magnitude: Tensor
    on_output: bool

    @classmethod
    def claims(cls, tensors: Mapping[str, Tensor]) -> bool:
        return not set(MAGNITUDES).isdisjoint(tensors)

    @classmethod
    def build(cls, parts: Parts) -> DoraModule:
        raise parts.hints.broken("a magnitude without the factors that it belongs to", "a LoRA")

    @classmethod
    def around(cls, inner: NetworkModule, parts: Parts) -> DoraModule:
        """The inner module with the magnitude of the same file around it."""
        role = next(role for role in MAGNITUDES if role in parts)
        stored = parts.take(role)
        if stored.numel() == 0 or stored.numel() != max(stored.shape, default=1):
            raise parts.hints.broken(f"'{role}' is {show(stored.shape)}", "one vector")
        on_output = _output_axis(parts, role, tuple(stored.shape), inner)
        return cls(inner, stored.reshape(-1), on_output, hints=parts.hints)

    @property
    def shape(self) -> Shape:
        return self.inner.shape

    @property
    def writes_bias(self) -> bool:
        return self.inner.writes_bias

    def fits(self, weight_shape: Shape) -> bool:
        axis = 0 if self.on_output else 1
        return self.inner.fits(weight_shape) and weight_shape[axis] == self.magnitude.numel()

    def delta(self, weight: Tensor, dyn_dim: int | None = None) -> Tensor:
        self.check_fits(weight)
        base = weight.to(torch.float32)
        change = self.inner.delta(weight, dyn_dim)
        axis = 0 if self.on_output else 1
        gain = _gain(self.magnitude, base + change, axis).to(base.device)
        # m (W + dW) / n - W = (m / n - 1) W + (m / n) dW: no difference of near equals
        more = channel(gain.to(torch.float32), base.dim(), axis)
        whole = channel((gain + 1).to(torch.float32), base.dim(), axis)
        return torch.addcmul(change * whole, base, more)

    def bias_delta(self, bias: Tensor | None, weight: Tensor) -> Tensor | None:
        return self.inner.bias_delta(bias, weight)

    def rows(self, start: int, stop: int) -> DoraModule:
        if not self.on_output:
            raise self.unsliceable(
                "a DoRA magnitude per input channel is a norm over all rows, so a part of them "
                "has no exact form"
            )
        inner = self.inner.rows(start, stop)
        return dataclasses.replace(self, inner=inner, magnitude=self.magnitude[start:stop])


def _gain(magnitude: Tensor, changed: Tensor, axis: int) -> Tensor:
    """m / ||V|| - 1 per channel in fp64; 0 where the norm is 0: there is nothing to scale."""
    others = [dim for dim in range(changed.dim()) if dim != axis]
    exact = torch.float32 if changed.device.type == "mps" else torch.float64  # mps has no fp64
    norm = f64(torch.linalg.vector_norm(changed, dim=others, dtype=exact))
    gain = (f64(magnitude) - norm) / norm
    return torch.where(norm > 0, gain, torch.zeros_like(gain))


def _output_axis(parts: Parts, role: str, shape: Shape, inner: NetworkModule) -> bool:
    """Whether the magnitude is per output channel, as the tensor's shape tells."""
    length, out = max(shape, default=1), inner.shape[0]
    inputs = _possible_inputs(inner, parts.hints.weight_shape)
    if role == "magnitude_vector":  # PEFT: always per output, though a conv's is [1, out, 1, 1]
        inputs = set()
    elif len(shape) > 1 and shape[1] == length != shape[0] and length in inputs:
        return False
    elif len(shape) > 1 and shape[0] == length == out:
        return True
    if length == out and length in inputs and role == "dora_scale":
        if parts.hints.wd_on_output is None:
            raise parts.hints.broken(
                f"'dora_scale' is {show(shape)} on a square weight: the axis is ambiguous",
                "a shape of [out, 1] or [1, in], or 'wd_on_output' in the metadata",
                "Ask its author which axis it was trained on.",
            )
        return parts.hints.wd_on_output
    if length != out and length not in inputs:
        raise parts.hints.broken(f"'{role}' is {show(shape)}", f"a magnitude for {_words(inner)}")
    return length == out


def _possible_inputs(inner: NetworkModule, weight_shape: Shape | None) -> set[int]:
    """How many input channels the weight may have: flat factors do not tell in from the kernel."""
    if not inner.flat:
        return {inner.shape[1]}
    if weight_shape is not None and len(weight_shape) > 1:
        return {weight_shape[1]}
    columns = inner.shape[1]
    return {columns // area for area in (1, 9, 25, 49) if columns % area == 0}


def _words(inner: NetworkModule) -> str:
    return f"a delta of {show(inner.shape)}"
