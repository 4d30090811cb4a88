"""What every network type is to the engine: factors, a delta, a bias delta and exact row slices."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from loradex.errors import BrokenNetworkError, IncompatibleNetworkError
from loradex.networks.parts import ModuleHints, Parts, Shape, show


class Factors(NamedTuple):
    """delta = scale * up [out, R] @ down [R, in * kernel]."""

    up: Tensor
    down: Tensor
    scale: float = 1.0

    @property
    def nbytes(self) -> int:
        return self.up.nbytes + self.down.nbytes


@dataclass(frozen=True, eq=False)
class NetworkModule(ABC):
    """One trained module: immutable, strength-free, in the file's own dtype until it is used.

    Every delta is at strength 1 and computed from the pristine weight; the caller sums
    strength * delta over all networks, so that W + s * (f(W) - W) holds for every type.
    """

    type_name: ClassVar[str]
    replaces: ClassVar[bool] = False
    """The weight is replaced: strength does not scale it."""

    hints: ModuleHints = field(default_factory=ModuleHints, kw_only=True)
    notes: tuple[str, ...] = field(default=(), kw_only=True)
    """What a reader of the report should know: tensors left unused, a guess that was made."""

    @classmethod
    @abstractmethod
    def claims(cls, tensors: Mapping[str, Tensor]) -> bool:
        """Whether tensors by role are of this type (not whether they are complete)."""

    @classmethod
    @abstractmethod
    def build(cls, parts: Parts) -> NetworkModule:
        """The module of these tensors; `BrokenNetworkError` where they are impossible."""

    @property
    def shape(self) -> Shape:
        """[out, in, *kernel] of the delta; () where the tensors do not tell it whole."""
        return ()

    @property
    def weight_dependent(self) -> bool:
        """The delta depends on the weight that it is for, so it cannot be made ahead."""
        return False

    @property
    def flat(self) -> bool:
        """The factors hold in * kh * kw as one number, so only the weight tells the kernel."""
        return False

    @property
    def extent(self) -> str:
        """The shape in words, or as much of it as the tensors tell: `out = 320`."""
        return show(self.shape)

    @property
    def writes_weight(self) -> bool:
        """Whether `delta` has anything to say."""
        return True

    @property
    def writes_bias(self) -> bool:
        """Whether `bias_delta` may have anything to say."""
        return False

    def fits(self, weight_shape: Shape) -> bool:
        """Whether the delta is for a weight of this shape: equal dimensions, never equal counts.

        A kernel of 1 and no kernel are the same; flat factors fit [out, in * kh * kw].
        """
        if not self.writes_weight:
            return True
        if canonical(self.shape) == canonical(weight_shape):
            return True
        return self.flat and len(self.shape) == 2 and self.shape == _flattened(weight_shape)

    def factors(self, dyn_dim: int | None = None) -> tuple[Tensor, Tensor] | None:
        """up [out, R] and down [R, in * kh * kw] with the scale folded in, or `None`.

        Freshly owned, contiguous fp32: the caller may keep them, pin them or write into them.
        """
        return None

    def stored_factors(self, dyn_dim: int | None = None) -> Factors | None:
        """The file's own tensors, views without a copy, or `None` where factors are computed."""
        return None

    @abstractmethod
    def delta(self, weight: Tensor, dyn_dim: int | None = None) -> Tensor:
        """The change of `weight` [out, in, *kernel] (pristine, fp32) at strength 1, fp32.

        The caller owns the result and may write into it.
        """

    def bias_delta(self, bias: Tensor | None, weight: Tensor) -> Tensor | None:
        """The change of the bias [out] at strength 1, fp32; `bias` is `None` where none is."""
        return None

    @abstractmethod
    def rows(self, start: int, stop: int) -> NetworkModule:
        """The module of output rows [start, stop), exact; `BrokenNetworkError` says why not."""

    def check_fits(self, weight: Tensor) -> None:
        """Raises where `weight` has another shape than the delta: nothing is reshaped to fit."""
        if not self.fits(tuple(weight.shape)):
            raise IncompatibleNetworkError(
                self.hints.subject, f"{self.hints.name}: a delta for {self.extent}",
                f"{show(weight.shape)}, the weight's shape",
                "Use the network with the base model that it was made for.",
            )

    def noted(self, *notes: str) -> NetworkModule:
        """The same module with more notes."""
        return dataclasses.replace(self, notes=self.notes + notes) if notes else self

    def check_rows(self, start: int, stop: int, out: int) -> None:
        """Raises where the rows are not inside the module's `out` rows."""
        if not 0 <= start < stop <= out:
            raise self.hints.broken(f"rows {start} to {stop} were asked for", f"rows of {out}")

    def unsliceable(self, reason: str) -> BrokenNetworkError:
        """The error of a type that has no exact row slice."""
        return self.hints.broken(
            reason, "a target with all of this module's rows",
            "Use it with a model whose layers are joined the same way.",
        )


def canonical(shape: Shape) -> Shape:
    """The shape without a kernel of 1: a 1x1 convolution is a linear layer."""
    if len(shape) > 2 and all(n == 1 for n in shape[2:]):
        return tuple(shape[:2])
    return tuple(shape)


def _flattened(shape: Shape) -> Shape:
    return (shape[0], math.prod(shape[1:])) if len(shape) > 2 else tuple(shape)


def f32(tensor: Tensor, like: Tensor | None = None) -> Tensor:
    """The tensor in fp32, on the device of `like` where one is given."""
    device = tensor.device if like is None else like.device
    return tensor.to(device=device, dtype=torch.float32)


def f64(tensor: Tensor) -> Tensor:
    """The tensor in fp64 on the CPU, where every backend can compute small delicate things."""
    return tensor.to(device="cpu", dtype=torch.float64)


def owned(tensor: Tensor, like: Tensor | None = None) -> Tensor:
    """A contiguous fp32 copy that shares no memory with the file's tensor."""
    device = tensor.device if like is None else like.device
    return tensor.to(
        device=device, dtype=torch.float32, copy=True, memory_format=torch.contiguous_format
    )


def as_matrix(tensor: Tensor) -> Tensor:
    """[a, b, *kernel] as [a, b * kernel]."""
    return tensor.reshape(tensor.shape[0], -1)


def channel(vector: Tensor, dims: int, axis: int = 0) -> Tensor:
    """A vector laid along one axis of a tensor of `dims` dimensions, for broadcasting."""
    shape = [1] * dims
    shape[axis] = -1
    return vector.reshape(shape)
