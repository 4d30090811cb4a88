"""OFT: blocks of output rows are rotated, as kohya and LyCORIS (diag-oft) store it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from loradex.networks.base import NetworkModule, as_matrix, channel, f32, f64
from loradex.networks.parts import Parts, Shape, show
from loradex.networks.rotation import cayley, limited, skew


@dataclass(frozen=True, eq=False)
class OftModule(NetworkModule):
    """W'[k, m] = rescale * sum over n of R[k, n, m] W[k, n]: R^T on each block of rows.

    turn [n, b, b] is R - I, so the delta is a product and no difference of near equals.
    """

    type_name = "oft"
    weight_dependent = True

    turn: Tensor
    rescale: Tensor | None = None

    @classmethod
    def claims(cls, tensors: Mapping[str, Tensor]) -> bool:
        return "oft_blocks" in tensors and tensors["oft_blocks"].dim() != 4

    @classmethod
    def build(cls, parts: Parts) -> OftModule:
        blocks = square_blocks(parts, "oft_blocks", 3)
        out = blocks.shape[0] * blocks.shape[1]
        # `alpha` is the constraint per output channel here, not a numerator
        q = limited(skew(blocks), (parts.scalar("alpha") or 0.0) * out)
        return cls(cayley(q), parts.vector("rescale", out), hints=parts.hints)

    @property
    def out(self) -> int:
        """How many output rows the blocks cover."""
        return self.turn.shape[0] * self.turn.shape[1]

    @property
    def extent(self) -> str:
        return f"out = {self.out}"

    def fits(self, weight_shape: Shape) -> bool:
        return len(weight_shape) >= 2 and weight_shape[0] == self.out

    def delta(self, weight: Tensor, dyn_dim: int | None = None) -> Tensor:
        self.check_fits(weight)
        count, block, _ = self.turn.shape
        base = weight.to(torch.float32)
        turn = f32(self.turn, weight).transpose(1, 2)
        change = torch.bmm(turn, as_matrix(base).reshape(count, block, -1)).reshape(weight.shape)
        return rescaled(change, base, self.rescale)

    def rows(self, start: int, stop: int) -> OftModule:
        self.check_rows(start, stop, self.out)
        block = self.turn.shape[1]
        if start % block or stop % block:
            raise self.unsliceable(f"OFT mixes {block} rows, so a part of them has no exact form")
        return dataclasses.replace(
            self,
            turn=self.turn[start // block : stop // block],
            rescale=None if self.rescale is None else self.rescale[start:stop],
        )


@dataclass(frozen=True, eq=False)
class OldOftModule(OftModule):
    """LyCORIS from 2023-11 to 2024-02 stored R itself, under another name and without alpha."""

    @classmethod
    def claims(cls, tensors: Mapping[str, Tensor]) -> bool:
        return "oft_diag" in tensors

    @classmethod
    def build(cls, parts: Parts) -> OldOftModule:
        blocks = square_blocks(parts, "oft_diag", 3)
        out = blocks.shape[0] * blocks.shape[1]
        parts.scalar("alpha")  # written by some versions, without a meaning in this form
        turn = f64(blocks) - torch.eye(blocks.shape[1], dtype=torch.float64)
        return cls(turn.to(torch.float32), parts.vector("rescale", out), hints=parts.hints)


def square_blocks(parts: Parts, role: str, dims: int) -> Tensor:
    """The tensor [..., b, b] of a role."""
    blocks = parts.of_rank(role, dims)
    if blocks.shape[-1] != blocks.shape[-2]:
        raise parts.hints.broken(f"'{role}' is {show(blocks.shape)}", "square blocks")
    return blocks


def rescaled(change: Tensor, base: Tensor, rescale: Tensor | None) -> Tensor:
    """rescale * (W + change) - W, as rescale * change + (rescale - 1) * W."""
    if rescale is None:
        return change
    factor = channel(f32(rescale, base), base.dim())
    less_one = channel((f64(rescale) - 1).to(base), base.dim())
    return change.mul_(factor).addcmul_(less_one, base)
