"""What OFT and BOFT share: rotated blocks of output rows, then a factor for each row."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor

from loradex.networks.base import NetworkModule, channel, f32, f64
from loradex.networks.parts import Parts, Shape, show

Self = TypeVar("Self", bound="RowRotation")


@dataclass(frozen=True, eq=False)
class RowRotation(NetworkModule):
    """turn [..., n, b, b] is R - I over n * b output rows; rescale [out] multiplies afterwards."""

    weight_dependent = True

    turn: Tensor
    rescale: Tensor | None = None

    @property
    @abstractmethod
    def group(self) -> int:
        """How many neighbouring rows are mixed with each other."""

    @property
    def out(self) -> int:
        """How many output rows the blocks cover."""
        return self.turn.shape[-3] * self.turn.shape[-2]

    @property
    def extent(self) -> str:
        return f"out = {self.out}"

    def fits(self, weight_shape: Shape) -> bool:
        return len(weight_shape) >= 2 and weight_shape[0] == self.out

    def rows(self: Self, start: int, stop: int) -> Self:
        self.check_rows(start, stop, self.out)
        if start % self.group or stop % self.group:
            name = self.type_name.upper()
            raise self.unsliceable(
                f"{name} mixes {self.group} rows, so a part of them has no exact form"
            )
        block = self.turn.shape[-1]
        return dataclasses.replace(
            self,
            turn=self.turn[..., start // block : stop // block, :, :],
            rescale=None if self.rescale is None else self.rescale[start:stop],
        )


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
