"""OFT: blocks of output rows are rotated, as kohya and LyCORIS (diag-oft) store it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from loradex.networks.base import as_matrix, f32, f64
from loradex.networks.parts import Parts
from loradex.networks.rotation import cayley, limited, skew
from loradex.networks.row_rotation import RowRotation, rescaled, square_blocks


@dataclass(frozen=True, eq=False)
class OftModule(RowRotation):
    """W'[k, m] = rescale * sum over n of R[k, n, m] W[k, n]: R^T on each block of rows.

    turn [n, b, b] is R - I, so the delta is a product and no difference of near equals.
    """

    type_name = "oft"

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

    def delta(self, weight: Tensor, dyn_dim: int | None = None) -> Tensor:
        self.check_fits(weight)
        count, block, _ = self.turn.shape
        base = weight.to(torch.float32)
        turn = f32(self.turn, weight).transpose(1, 2)
        change = torch.bmm(turn, as_matrix(base).reshape(count, block, -1)).reshape(weight.shape)
        return rescaled(change, base, self.rescale)

    @property
    def group(self) -> int:
        return self.turn.shape[-1]


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
