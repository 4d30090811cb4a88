"""PEFT's OFT (OFTv2) and OneTrainer's: blocks of input columns are rotated."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from loradex.networks.base import NetworkModule, as_matrix, f32
from loradex.networks.parts import Parts, Shape, show
from loradex.networks.rotation import block_of, cayley, neumann, unpack_skew

# The default of PEFT (>= 0.16) and of OneTrainer. It is not a detail: PEFT's series approximates
# (I + Q)(I - Q)^-1 while its exact branch solves for (I - Q)(I + Q)^-1, the opposite rotation.
_DEFAULT_TERMS = 5


@dataclass(frozen=True, eq=False)
class PeftOftModule(NetworkModule):
    """W' = W R^T on each block of columns (in * kh * kw of a conv).

    turn [n, b, b] is R - I; one block for many is shared by all of them (`block_share`).
    """

    type_name = "peft-oft"
    weight_dependent = True

    turn: Tensor

    @classmethod
    def claims(cls, tensors: Mapping[str, Tensor]) -> bool:
        return "oft_r" in tensors

    @classmethod
    def build(cls, parts: Parts) -> PeftOftModule:
        packed = parts.of_rank("oft_r", 2)
        block = block_of(packed.shape[1])
        if block is None:
            raise parts.hints.broken(
                f"'oft_r' is {show(packed.shape)}", "b (b - 1) / 2 columns for blocks of b",
                "Files of PEFT before 0.15 hold another form; convert it with that version.",
            )
        q = unpack_skew(packed, block)
        if "scale" in parts:  # OneTrainer's `scaled_oft` mark
            parts.optional("scale")
            q = q / (2 * math.sqrt(block - 1))
        terms = parts.hints.oft_neumann_terms
        terms = _DEFAULT_TERMS if terms is None else terms
        return cls(neumann(q, terms) if terms else cayley(-q), hints=parts.hints)

    @property
    def extent(self) -> str:
        count, block, _ = self.turn.shape
        return f"in = {count * block}" if count > 1 else f"in = a multiple of {block}"

    def fits(self, weight_shape: Shape) -> bool:
        if len(weight_shape) < 2:
            return False
        count, block, _ = self.turn.shape
        columns = math.prod(weight_shape[1:])
        return columns == count * block or (count == 1 and columns % block == 0)

    def delta(self, weight: Tensor, dyn_dim: int | None = None) -> Tensor:
        self.check_fits(weight)
        block = self.turn.shape[1]
        columns = as_matrix(weight.to(torch.float32)).reshape(weight.shape[0], -1, block)
        return turn_columns(columns, f32(self.turn, weight)).reshape(weight.shape)

    def rows(self, start: int, stop: int) -> PeftOftModule:
        return self  # the rotation is on the input side: every row is turned alike, on its own


def turn_columns(columns: Tensor, turn: Tensor) -> Tensor:
    """[out, n, b] turned block by block: sum over j of X[o, k, j] turn[k, i, j]."""
    turn = turn.expand(columns.shape[1], -1, -1).transpose(1, 2)
    return torch.bmm(columns.transpose(0, 1), turn).transpose(0, 1)
