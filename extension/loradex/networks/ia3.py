"""(IA)^3: every input or output channel of the weight is scaled, in LyCORIS' form and in PEFT's."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from loradex.networks.base import NetworkModule, channel, f32, f64
from loradex.networks.parts import Parts, Shape, show


@dataclass(frozen=True, eq=False)
class Ia3Module(NetworkModule):
    """W * (1 + gain): LyCORIS stores the gain itself, zero at the start, and leaves the bias."""

    type_name = "ia3"
    weight_dependent = True

    gain: Tensor
    on_input: bool | None
    """`None`: not told by the file, so by the length that fits the weight."""

    @classmethod
    def claims(cls, tensors: Mapping[str, Tensor]) -> bool:
        return not {"ia3_weight", "on_input"}.isdisjoint(tensors)

    @classmethod
    def build(cls, parts: Parts) -> Ia3Module:
        gain, on_input = parts.take("ia3_weight"), parts.scalar("on_input")
        if on_input is None:
            raise parts.hints.broken("'on_input' is missing", "'on_input' beside the weight")
        _check_vector(parts, "ia3_weight", gain)
        return cls(gain.reshape(-1), bool(on_input), hints=parts.hints)

    @property
    def extent(self) -> str:
        side = "out or in" if self.on_input is None else ("out", "in")[self.on_input]
        return f"{side} = {self.gain.numel()}"

    def fits(self, weight_shape: Shape) -> bool:
        if len(weight_shape) < 2:
            return False
        sides = weight_shape[:2] if self.on_input is None else (weight_shape[int(self.on_input)],)
        return self.gain.numel() in sides

    def delta(self, weight: Tensor, dyn_dim: int | None = None) -> Tensor:
        self.check_fits(weight)
        axis = int(self._input_side(tuple(weight.shape)))
        return weight.to(torch.float32) * channel(f32(self.gain, weight), weight.dim(), axis)

    def rows(self, start: int, stop: int) -> Ia3Module:
        if self.on_input:
            return self  # every row is scaled by the same vector
        if self.on_input is None:
            raise self.unsliceable("the file does not tell which side this (IA)^3 vector is for")
        self.check_rows(start, stop, self.gain.numel())
        return dataclasses.replace(self, gain=self.gain[start:stop])

    def _input_side(self, weight_shape: Shape) -> bool:
        if self.on_input is not None:
            return self.on_input
        out_fits, in_fits = (n == self.gain.numel() for n in weight_shape[:2])
        if out_fits and in_fits:
            raise self.hints.broken(
                f"{self.gain.numel()} (IA)^3 factors for a square {show(weight_shape)}",
                "a vector whose side is told", "Convert the file to LyCORIS' form.",
            )
        return in_fits


@dataclass(frozen=True, eq=False)
class PeftIa3Module(Ia3Module):
    """W * l: PEFT stores l, one at the start; on the output side it scales the bias as well."""

    @classmethod
    def claims(cls, tensors: Mapping[str, Tensor]) -> bool:
        return "ia3_l" in tensors

    @classmethod
    def build(cls, parts: Parts) -> PeftIa3Module:
        stored = parts.take("ia3_l")
        _check_vector(parts, "ia3_l", stored)
        gain = (f64(stored) - 1).to(torch.float32).reshape(-1)
        return cls(gain, _side(tuple(stored.shape)), hints=parts.hints)

    @property
    def writes_bias(self) -> bool:
        return not self.on_input

    def bias_delta(self, bias: Tensor | None, weight: Tensor) -> Tensor | None:
        if bias is None or self._input_side(tuple(weight.shape)):
            return None
        return f32(bias) * f32(self.gain, bias)


def _side(shape: Shape) -> bool | None:
    """Linear: [1, in] or [out, 1] tells the side. Conv: PEFT writes [1, n, 1, 1] for both."""
    if len(shape) == 2 and shape[0] != shape[1]:
        return shape[0] == 1
    return None


def _check_vector(parts: Parts, role: str, tensor: Tensor) -> None:
    if tensor.numel() == 0 or tensor.numel() != max(tensor.shape, default=1):
        raise parts.hints.broken(f"'{role}' is {show(tensor.shape)}", "one vector")
