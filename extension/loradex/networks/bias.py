"""Biases alone or beside another type: `diff_b` is added, PEFT's `bias` is the bias itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from loradex.networks.base import Factors, NetworkModule, f32, owned
from loradex.networks.parts import Parts, Shape, show


@dataclass(frozen=True, eq=False)
class BiasModule(NetworkModule):
    """b' = bias + added: `bias` [out] is a trained bias itself (PEFT), `added` [out] its change.

    Strength is applied as to any other type: b + s * (b' - b).
    """

    type_name = "bias"

    inner: NetworkModule | None
    bias: Tensor | None
    added: Tensor | None

    @classmethod
    def claims(cls, tensors: Mapping[str, Tensor]) -> bool:
        return not {"bias", "diff_b", "up_bias"}.isdisjoint(tensors)

    @classmethod
    def build(cls, parts: Parts) -> BiasModule:
        return cls.around(None, parts)

    @classmethod
    def around(cls, inner: NetworkModule | None, parts: Parts) -> BiasModule:
        """The biases of the same file beside the inner module, or alone."""
        role = "diff_b" if "diff_b" in parts else "up_bias"
        bias, added = parts.optional("bias"), parts.optional(role)
        out = inner.shape[0] if inner is not None and inner.shape else None
        for name, vector in (("bias", bias), (role, added)):
            if vector is not None and (vector.dim() != 1 or out not in (None, vector.numel())):
                raise parts.hints.broken(f"'{name}' is {show(vector.shape)}", f"[{out or 'out'}]")
        return cls(inner, bias, added, hints=parts.hints)

    @property
    def weight_dependent(self) -> bool:
        return self.inner is not None and self.inner.weight_dependent

    @property
    def shape(self) -> Shape:
        return () if self.inner is None else self.inner.shape

    @property
    def writes_weight(self) -> bool:
        return self.inner is not None and self.inner.writes_weight

    @property
    def writes_bias(self) -> bool:
        return True

    def fits(self, weight_shape: Shape) -> bool:
        return self.inner is None or self.inner.fits(weight_shape)

    def factors(self, dyn_dim: int | None = None) -> tuple[Tensor, Tensor] | None:
        return None if self.inner is None else self.inner.factors(dyn_dim)

    def stored_factors(self, dyn_dim: int | None = None) -> Factors | None:
        return None if self.inner is None else self.inner.stored_factors(dyn_dim)

    def delta(self, weight: Tensor, dyn_dim: int | None = None) -> Tensor:
        if self.inner is None:
            return weight.new_zeros(weight.shape)
        return self.inner.delta(weight, dyn_dim)

    def bias_delta(self, bias: Tensor | None, weight: Tensor) -> Tensor | None:
        total = None if self.inner is None else self.inner.bias_delta(bias, weight)
        for part in self._parts(bias, weight):
            total = part if total is None else total + part
        return total

    def rows(self, start: int, stop: int) -> BiasModule:
        return dataclasses.replace(
            self,
            inner=None if self.inner is None else self.inner.rows(start, stop),
            bias=None if self.bias is None else self.bias[start:stop],
            added=None if self.added is None else self.added[start:stop],
        )

    def _parts(self, bias: Tensor | None, weight: Tensor) -> list[Tensor]:
        parts = [] if self.added is None else [owned(self.added, weight)]
        if self.bias is not None:
            trained = owned(self.bias, weight)
            parts.append(trained if bias is None else trained - f32(bias, weight))
        return parts
