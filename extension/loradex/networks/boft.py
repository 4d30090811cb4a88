"""BOFT as LyCORIS stores it: butterfly stages of rotations over the output rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from loradex.networks.base import as_matrix, f32
from loradex.networks.parts import Parts, show
from loradex.networks.rotation import cayley, limited, skew
from loradex.networks.row_rotation import RowRotation, rescaled, square_blocks


@dataclass(frozen=True, eq=False)
class BoftModule(RowRotation):
    """Stage i gathers rows from groups of 2^i blocks, rotates each block by R and puts them back.

    turn [stages, n, b, b] is R - I; the change is carried along, so nothing cancels.
    """

    type_name = "boft"

    @classmethod
    def claims(cls, tensors: Mapping[str, Tensor]) -> bool:
        return "oft_blocks" in tensors and tensors["oft_blocks"].dim() == 4

    @classmethod
    def build(cls, parts: Parts) -> BoftModule:
        blocks = square_blocks(parts, "oft_blocks", 4)
        stages, count, block, _ = blocks.shape
        if block % 2 or count % 2 ** (stages - 1):
            raise parts.hints.broken(
                f"'oft_blocks' is {show(blocks.shape)}",
                "even blocks, and a count of them that is divisible by 2 to the stages",
            )
        # one norm over the blocks of all stages, as LyCORIS takes it
        q = limited(skew(blocks), (parts.scalar("alpha") or 0.0) * count * block)
        return cls(cayley(q), parts.vector("rescale", count * block), hints=parts.hints)

    def delta(self, weight: Tensor, dyn_dim: int | None = None) -> Tensor:
        self.check_fits(weight)
        base = as_matrix(weight.to(torch.float32))
        change = torch.zeros_like(base)
        turn = f32(self.turn, weight)
        _, count, block, _ = turn.shape
        for stage in range(turn.shape[0]):
            order = gather_order(self.out, block, stage).to(base.device)
            gathered = (base + change)[order].reshape(count, block, -1)
            change[order] += torch.bmm(turn[stage], gathered).reshape(base.shape)
        return rescaled(change.reshape(weight.shape), weight.to(torch.float32), self.rescale)

    @property
    def group(self) -> int:
        return self.turn.shape[-1] << (self.turn.shape[0] - 1)


def gather_order(length: int, block: int, stage: int) -> Tensor:
    """Which row each place of a stage's blocks takes: two rows that lie half a group apart meet.

    Groups of 2^stage blocks; place (j, side) of a group holds row (side, j).
    """
    half = 2**stage * (block // 2)
    return torch.arange(length).reshape(-1, 2, half).transpose(1, 2).reshape(-1)
