"""Norm: what is added to the weight and the bias of a LayerNorm, GroupNorm or RMSNorm."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from loradex.networks.base import NetworkModule, owned
from loradex.networks.parts import Parts, Shape


@dataclass(frozen=True, eq=False)
class NormModule(NetworkModule):
    """w_norm [channels] and b_norm [channels]; either may be missing."""

    type_name = "norm"

    w_norm: Tensor | None
    b_norm: Tensor | None

    @classmethod
    def claims(cls, tensors: Mapping[str, Tensor]) -> bool:
        return not {"w_norm", "b_norm"}.isdisjoint(tensors)

    @classmethod
    def build(cls, parts: Parts) -> NormModule:
        w_norm, b_norm = parts.optional("w_norm"), parts.optional("b_norm")
        if w_norm is not None:
            b_norm = parts.vector("b_norm", w_norm.numel())
        flat = [None if part is None else part.reshape(-1) for part in (w_norm, b_norm)]
        return cls(*flat, hints=parts.hints)

    @property
    def shape(self) -> Shape:
        return () if self.w_norm is None else tuple(self.w_norm.shape)

    @property
    def writes_weight(self) -> bool:
        return self.w_norm is not None

    @property
    def writes_bias(self) -> bool:
        return self.b_norm is not None

    def delta(self, weight: Tensor, dyn_dim: int | None = None) -> Tensor:
        self.check_fits(weight)
        if self.w_norm is None:
            return weight.new_zeros(weight.shape)
        return owned(self.w_norm, weight)

    def bias_delta(self, bias: Tensor | None, weight: Tensor) -> Tensor | None:
        return None if self.b_norm is None else owned(self.b_norm, weight)

    def rows(self, start: int, stop: int) -> NormModule:
        whole = self.w_norm if self.w_norm is not None else self.b_norm
        self.check_rows(start, stop, 0 if whole is None else whole.shape[0])
        cut = slice(start, stop)
        return dataclasses.replace(
            self,
            w_norm=None if self.w_norm is None else self.w_norm[cut],
            b_norm=None if self.b_norm is None else self.b_norm[cut],
        )
