"""Weight-shaped residuals of LyCORIS extraction: what the factors missed, sparse or dense."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from loradex.networks.base import NetworkModule, canonical, f32
from loradex.networks.parts import Parts, Shape, show

_SPARSE = ("bias_indices", "bias_values", "bias_size")


@dataclass(frozen=True, eq=False)
class SparseBiasModule(NetworkModule):
    """delta = inner + scale * residual: the residual is added before alpha / r is applied.

    indices [dims, count] and values [count]; the dense form has no indices and values as the size.
    """

    type_name = "sparse-bias"

    inner: NetworkModule | None
    values: Tensor
    indices: Tensor | None
    size: Shape
    scale: float

    @classmethod
    def claims(cls, tensors: Mapping[str, Tensor]) -> bool:
        dense = "bias" in tensors and tensors["bias"].dim() > 1
        return dense or not set(_SPARSE).isdisjoint(tensors)

    @classmethod
    def build(cls, parts: Parts) -> SparseBiasModule:
        return cls.around(None, 1.0, parts)

    @classmethod
    def around(cls, inner: NetworkModule | None, scale: float, parts: Parts) -> SparseBiasModule:
        """The residual of the same file added to the inner module, or alone."""
        if "bias" in parts:
            values, indices = parts.take("bias"), None
            size = tuple(values.shape)
        else:
            values, indices, size = _sparse(parts)
        module = cls(inner, values, indices, size, scale, hints=parts.hints)
        if inner is not None and not (inner.fits(size) or module._as_matrix() == inner.shape):
            raise parts.hints.broken(
                f"a residual of {show(size)} beside factors of {show(inner.shape)}", "one shape"
            )
        return module

    @property
    def shape(self) -> Shape:
        return self.size if self.inner is None else self.inner.shape

    @property
    def flat(self) -> bool:
        return len(self.size) == 2 if self.inner is None else self.inner.flat

    @property
    def writes_bias(self) -> bool:
        return self.inner is not None and self.inner.writes_bias

    def delta(self, weight: Tensor, dyn_dim: int | None = None) -> Tensor:
        self.check_fits(weight)
        if self.inner is None:
            delta = torch.zeros(weight.shape, dtype=torch.float32, device=weight.device)
        else:
            delta = self.inner.delta(weight, dyn_dim).contiguous()
        values = f32(self.values, weight).reshape(-1) * self.scale
        if self.indices is None:
            return delta.add_(values.reshape(weight.shape))
        delta.view(-1).index_add_(0, self._places().to(weight.device), values)
        return delta

    def bias_delta(self, bias: Tensor | None, weight: Tensor) -> Tensor | None:
        return None if self.inner is None else self.inner.bias_delta(bias, weight)

    def rows(self, start: int, stop: int) -> SparseBiasModule:
        self.check_rows(start, stop, self.size[0])
        inner = None if self.inner is None else self.inner.rows(start, stop)
        size = (stop - start, *self.size[1:])
        if self.indices is None:
            return dataclasses.replace(self, inner=inner, values=self.values[start:stop], size=size)
        inside = (self.indices[0] >= start) & (self.indices[0] < stop)
        indices = self.indices[:, inside].clone()
        indices[0] -= start
        return dataclasses.replace(
            self, inner=inner, values=self.values[inside], indices=indices, size=size
        )

    def _places(self) -> Tensor:
        """The indices as places in the flattened weight."""
        assert self.indices is not None
        places = torch.zeros_like(self.indices[0])
        for axis, length in enumerate(self.size):
            places = places * length + self.indices[axis]
        return places

    def _as_matrix(self) -> Shape:
        columns = 1
        for length in self.size[1:]:
            columns *= length
        return canonical((self.size[0], columns))


def _sparse(parts: Parts) -> tuple[Tensor, Tensor, Shape]:
    """Values, indices [dims, count] as int64 and the size, all checked against each other."""
    indices, values = parts.of_rank("bias_indices", 2), parts.of_rank("bias_values", 1)
    size = tuple(int(n) for n in parts.take("bias_size").reshape(-1))
    indices = indices.to(torch.int64)
    if indices.shape != (len(size), values.shape[0]):
        raise parts.hints.broken(
            f"'bias_indices' is {show(indices.shape)} for {values.shape[0]} values in {show(size)}",
            "an index for every dimension and value",
        )
    limits = torch.tensor(size).reshape(-1, 1)
    if values.numel() and bool(((indices < 0) | (indices >= limits.to(indices.device))).any()):
        raise parts.hints.broken(f"'bias_indices' points outside {show(size)}", "places inside")
    return values, indices, size
