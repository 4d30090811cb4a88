"""LoHa: the elementwise product of two low-rank matrices, with or without Tucker cores."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from loradex.networks.base import NetworkModule, as_matrix, f32, f64
from loradex.networks.parts import Parts, Shape, show

_MOST_FACTORS = 128
"""Up to this product of both ranks two factors cost less than the two whole matrices."""


@dataclass(frozen=True, eq=False)
class LohaModule(NetworkModule):
    """(left1 @ right1) * (left2 @ right2) * scale.

    left [out, r], right [r, in * kh * kw], or [r, in, *kernel] out of a Tucker core.
    """

    type_name = "loha"

    left1: Tensor
    right1: Tensor
    left2: Tensor
    right2: Tensor
    scale: float

    @classmethod
    def claims(cls, tensors: Mapping[str, Tensor]) -> bool:
        return any(role.startswith("hada_") for role in tensors)

    @classmethod
    def build(cls, parts: Parts) -> LohaModule:
        scale = parts.scale(parts.take("hada_w1_b").shape[0])
        if "hada_t1" in parts or "hada_t2" in parts:
            pairs = _tucker_pair(parts, "1"), _tucker_pair(parts, "2")
        else:
            pairs = _plain_pair(parts, "1"), _plain_pair(parts, "2")
        (left1, right1), (left2, right2) = pairs
        if left1.shape[0] != left2.shape[0] or right1.shape[1:] != right2.shape[1:]:
            raise parts.hints.broken("the two halves have different shapes", "one shape for both")
        return cls(left1, right1, left2, right2, scale, hints=parts.hints)

    @property
    def shape(self) -> Shape:
        return (self.left1.shape[0], *self.right1.shape[1:])

    @property
    def flat(self) -> bool:
        return self.right1.dim() == 2

    def factors(self, dyn_dim: int | None = None) -> tuple[Tensor, Tensor] | None:
        """Column (i, j) of up is left1_i * left2_j, row (i, j) of down right1_i * right2_j."""
        if self.left1.shape[1] * self.left2.shape[1] > _MOST_FACTORS:
            return None
        left1, left2 = f32(self.left1) * self.scale, f32(self.left2)
        right1, right2 = as_matrix(f32(self.right1)), as_matrix(f32(self.right2))
        up = (left1[:, :, None] * left2[:, None, :]).reshape(left1.shape[0], -1)
        return up, (right1[:, None, :] * right2[None, :, :]).reshape(up.shape[1], -1)

    def delta(self, weight: Tensor, dyn_dim: int | None = None) -> Tensor:
        self.check_fits(weight)
        delta = (f32(self.left1, weight) * self.scale) @ as_matrix(f32(self.right1, weight))
        delta *= f32(self.left2, weight) @ as_matrix(f32(self.right2, weight))
        return delta.reshape(weight.shape)

    def rows(self, start: int, stop: int) -> LohaModule:
        self.check_rows(start, stop, self.left1.shape[0])
        cut = slice(start, stop)
        return dataclasses.replace(self, left1=self.left1[cut], left2=self.left2[cut])


def _plain_pair(parts: Parts, half: str) -> tuple[Tensor, Tensor]:
    """w_a [out, r] and w_b [r, in * kh * kw] as they are."""
    left, right = parts.of_rank(f"hada_w{half}_a", 2), parts.of_rank(f"hada_w{half}_b", 2)
    if left.shape[1] != right.shape[0]:
        raise parts.hints.broken(
            f"'hada_w{half}_a' is {show(left.shape)} and 'hada_w{half}_b' is {show(right.shape)}",
            "one rank in both",
        )
    return left, right


def _tucker_pair(parts: Parts, half: str) -> tuple[Tensor, Tensor]:
    """w_a [r, out] and w_b [r, in], stored transposed, with the core t [r, r, *k] folded in."""
    left, right = parts.of_rank(f"hada_w{half}_a", 2), parts.of_rank(f"hada_w{half}_b", 2)
    core = parts.of_rank(f"hada_t{half}", 3, 4, 5)
    if core.shape[0] != left.shape[0] or core.shape[1] != right.shape[0]:
        raise parts.hints.broken(
            f"'hada_t{half}' is {show(core.shape)} beside {show(left.shape)} and "
            f"{show(right.shape)}", "one rank in all three",
        )
    return left.t(), torch.einsum("ij...,jr->ir...", f64(core), f64(right)).to(torch.float32)
