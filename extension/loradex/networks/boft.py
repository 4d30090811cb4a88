"""BOFT as LyCORIS stores it: butterfly stages of rotations over the output rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from loradex.networks.base import NetworkModule, as_matrix, f32
from loradex.networks.oft import rescaled, square_blocks
from loradex.networks.parts import Parts, Shape, show
from loradex.networks.rotation import cayley, limited, skew


@dataclass(frozen=True, eq=False)
class BoftModule(NetworkModule):
    """Stage i gathers rows from groups of 2^i blocks, rotates each block by R and puts them back.

    turn [stages, n, b, b] is R - I; the change is carried along, so nothing cancels.
    """

    type_name = "boft"
    weight_dependent = True

    turn: Tensor
    rescale: Tensor | None = None

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

    @property
    def out(self) -> int:
        """How many output rows the blocks cover."""
        return self.turn.shape[1] * self.turn.shape[2]

    @property
    def extent(self) -> str:
        return f"out = {self.out}"

    def fits(self, weight_shape: Shape) -> bool:
        return len(weight_shape) >= 2 and weight_shape[0] == self.out

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

    def rows(self, start: int, stop: int) -> BoftModule:
        self.check_rows(start, stop, self.out)
        stages, _, block, _ = self.turn.shape
        group = block * 2 ** (stages - 1)
        if start % group or stop % group:
            raise self.unsliceable(f"BOFT mixes {group} rows, so a part of them has no exact form")
        return dataclasses.replace(
            self,
            turn=self.turn[:, start // block : stop // block],
            rescale=None if self.rescale is None else self.rescale[start:stop],
        )


def gather_order(length: int, block: int, stage: int) -> Tensor:
    """Which row each place of a stage's blocks takes: two rows that lie half a group apart meet.

    Groups of 2^stage blocks; place (j, side) of a group holds row (side, j).
    """
    half = 2**stage * (block // 2)
    return torch.arange(length).reshape(-1, 2, half).transpose(1, 2).reshape(-1)
