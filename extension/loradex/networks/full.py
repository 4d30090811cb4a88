"""Full difference: the delta itself, and a bias difference beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from loradex.networks.base import NetworkModule, owned
from loradex.networks.parts import Parts, Shape


@dataclass(frozen=True, eq=False)
class FullModule(NetworkModule):
    """diff [out, in, *kernel] (or [channels]) and diff_b [out] if there; there is no alpha."""

    type_name = "full"

    diff: Tensor
    diff_b: Tensor | None = None
    flat_kernel: bool = False

    @classmethod
    def claims(cls, tensors: Mapping[str, Tensor]) -> bool:
        return "diff" in tensors

    @classmethod
    def build(cls, parts: Parts) -> FullModule:
        diff = parts.of_rank("diff", 1, 2, 3, 4, 5)
        return cls(diff, parts.vector("diff_b", diff.shape[0]), hints=parts.hints)

    @property
    def shape(self) -> Shape:
        return tuple(self.diff.shape)

    @property
    def flat(self) -> bool:
        return self.flat_kernel

    @property
    def writes_bias(self) -> bool:
        return self.diff_b is not None

    def delta(self, weight: Tensor, dyn_dim: int | None = None) -> Tensor:
        self.check_fits(weight)
        return owned(self.diff, weight).reshape(weight.shape)

    def bias_delta(self, bias: Tensor | None, weight: Tensor) -> Tensor | None:
        return None if self.diff_b is None else owned(self.diff_b, weight)

    def rows(self, start: int, stop: int) -> FullModule:
        self.check_rows(start, stop, self.diff.shape[0])
        bias = None if self.diff_b is None else self.diff_b[start:stop]
        return dataclasses.replace(self, diff=self.diff[start:stop], diff_b=bias)
