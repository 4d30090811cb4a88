"""PEFT's BOFT: butterfly stages of rotations over the input columns and a scale on the output."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from loradex.networks.base import NetworkModule, as_matrix, f32
from loradex.networks.parts import Parts, Shape, show
from loradex.networks.peft_oft import turn_columns
from loradex.networks.rotation import cayley, skew
from loradex.networks.row_rotation import rescaled, square_blocks


@dataclass(frozen=True, eq=False)
class PeftBoftModule(NetworkModule):
    """W' = s * (M W^T)^T, M the product of the stages, over in * kh * kw columns.

    turn [stages, n, b, b] is R - I with PEFT's R = (I - Q)(I + Q)^-1, Q = (A - A^T) / 2.
    """

    type_name = "peft-boft"
    weight_dependent = True

    turn: Tensor
    output_scale: Tensor | None

    @classmethod
    def claims(cls, tensors: Mapping[str, Tensor]) -> bool:
        return not {"boft_r", "boft_s"}.isdisjoint(tensors)

    @classmethod
    def build(cls, parts: Parts) -> PeftBoftModule:
        blocks, scale = square_blocks(parts, "boft_r", 4), parts.optional("boft_s")
        stages, count, block, _ = blocks.shape
        if stages > 1 and (block % 2 or count % 2 ** (stages - 1)):
            raise parts.hints.broken(
                f"'boft_r' is {show(blocks.shape)}",
                "even blocks, and a count of them that is divisible by 2 to the stages",
            )
        scale = None if scale is None else scale.reshape(-1)
        return cls(cayley(skew(blocks) / -2), scale, hints=parts.hints)

    @property
    def extent(self) -> str:
        return f"in = {self.turn.shape[1] * self.turn.shape[2]}"

    def fits(self, weight_shape: Shape) -> bool:
        if len(weight_shape) < 2:
            return False
        if self.output_scale is not None and self.output_scale.numel() != weight_shape[0]:
            return False
        return math.prod(weight_shape[1:]) == self.turn.shape[1] * self.turn.shape[2]

    def delta(self, weight: Tensor, dyn_dim: int | None = None) -> Tensor:
        self.check_fits(weight)
        base = as_matrix(weight.to(torch.float32))
        change = torch.zeros_like(base)
        turn = f32(self.turn, weight)
        _, count, block, _ = turn.shape
        for stage in range(turn.shape[0]):
            order = _stage_order(base.shape[1], block, stage).to(base.device)
            placed = torch.empty_like(base)
            placed[:, order] = base + change
            turned = turn_columns(placed.reshape(-1, count, block), turn[stage])
            change += turned.reshape(base.shape)[:, order]
        return rescaled(
            change.reshape(weight.shape), weight.to(torch.float32), self.output_scale
        )

    def rows(self, start: int, stop: int) -> PeftBoftModule:
        if self.output_scale is None:
            return self
        self.check_rows(start, stop, self.output_scale.numel())
        return dataclasses.replace(self, output_scale=self.output_scale[start:stop])


def _stage_order(length: int, block: int, stage: int) -> Tensor:
    """Where each column goes: within groups of 2^stage blocks, even half blocks first."""
    if stage == 0:
        return torch.arange(length)
    halves = torch.arange(length).reshape(-1, 2**stage, 2, block // 2)
    return halves.transpose(1, 2).reshape(-1)
