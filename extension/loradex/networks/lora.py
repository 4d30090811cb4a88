"""LoRA and LoCon: delta = scale * up @ down, with or without a Tucker core, linear or conv."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from loradex.networks.base import Factors, NetworkModule, as_matrix, f32, f64, owned
from loradex.networks.parts import Parts, Shape, show


@dataclass(frozen=True, eq=False)
class LoraModule(NetworkModule):
    """up [out, r], down [r, in, *kernel]; a Tucker core is folded into down when it is built."""

    type_name = "lora"

    up: Tensor
    down: Tensor
    scale: float
    up_bias: Tensor | None = None
    tucker: bool = False

    @classmethod
    def claims(cls, tensors: Mapping[str, Tensor]) -> bool:
        return not {"up", "down", "mid"}.isdisjoint(tensors)

    @classmethod
    def build(cls, parts: Parts) -> LoraModule:
        up, (down, tucker) = parts.pointwise("up"), _down(parts)
        if up.shape[1] != down.shape[0]:
            raise parts.hints.broken(
                f"'up' is {show(up.shape)} and 'down' is {show(down.shape)}", "one rank in both"
            )
        scale = parts.scale(parts.tensors["down"].shape[0])
        return cls(up, down, scale, _up_bias(parts, up), tucker, hints=parts.hints)

    @property
    def shape(self) -> Shape:
        return (self.up.shape[0], *self.down.shape[1:])

    @property
    def writes_bias(self) -> bool:
        return self.up_bias is not None

    def factors(self, dyn_dim: int | None = None) -> tuple[Tensor, Tensor]:
        up, down = self._cut(dyn_dim)
        up, down = owned(up), owned(as_matrix(down))
        (up if up.numel() <= down.numel() else down).mul_(self.scale)
        return up, down

    def stored_factors(self, dyn_dim: int | None = None) -> Factors | None:
        up, down = self._cut(dyn_dim)
        return Factors(up, as_matrix(down), self.scale)

    def delta(self, weight: Tensor, dyn_dim: int | None = None) -> Tensor:
        self.check_fits(weight)
        up, down = self._cut(dyn_dim)
        up, down = f32(up, weight), f32(as_matrix(down), weight)
        if up.numel() <= down.numel():
            return ((up * self.scale) @ down).reshape(weight.shape)
        return (up @ (down * self.scale)).reshape(weight.shape)

    def bias_delta(self, bias: Tensor | None, weight: Tensor) -> Tensor | None:
        # PEFT multiplies the whole of lora_B's output, its bias included, by alpha / r
        return None if self.up_bias is None else f32(self.up_bias, weight) * self.scale

    def rows(self, start: int, stop: int) -> LoraModule:
        self.check_rows(start, stop, self.up.shape[0])
        bias = None if self.up_bias is None else self.up_bias[start:stop]
        return dataclasses.replace(self, up=self.up[start:stop], up_bias=bias)

    def _cut(self, dyn_dim: int | None) -> tuple[Tensor, Tensor]:
        """The first `dyn_dim` ranks; alpha / r stays. A Tucker core knows no such order (A1111)."""
        if dyn_dim is None or self.tucker:
            return self.up, self.down
        return self.up[:, :dyn_dim], self.down[:dyn_dim]


def _down(parts: Parts) -> tuple[Tensor, bool]:
    """down [r, in, *kernel], with the core mid [r, r, *kernel] folded in where there is one."""
    if "mid" not in parts:
        return parts.of_rank("down", 2, 3, 4, 5), False
    down, mid = parts.pointwise("down"), parts.of_rank("mid", 3, 4, 5)
    if mid.shape[1] != down.shape[0]:
        raise parts.hints.broken(
            f"'mid' is {show(mid.shape)} and 'down' is {show(down.shape)}", "one rank in both"
        )
    return torch.einsum("mn...,ni->mi...", f64(mid), f64(down)).to(torch.float32), True


def _up_bias(parts: Parts, up: Tensor) -> Tensor | None:
    """The bias [out] of the up layer, and what a bias [r] of the down layer becomes behind it."""
    own = parts.vector("up_bias", up.shape[0])
    below = parts.vector("down_bias", up.shape[1])
    if below is None:
        return own
    through = f64(up) @ f64(below)
    return (through if own is None else through + f64(own)).to(torch.float32)
