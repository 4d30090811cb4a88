"""GLoRA: a low-rank delta plus a low-rank product with the weight itself, both stored forms."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from loradex.networks.base import NetworkModule, as_matrix, f32, f64
from loradex.networks.parts import Parts, Shape, show


@dataclass(frozen=True, eq=False)
class GloraModule(NetworkModule):
    """scale * (up @ down + W (left @ right)).

    up [out, r], down [r, in, *kernel], left [in, r], right [r, in] on the input channels.
    """

    type_name = "glora"
    weight_dependent = True

    up: Tensor
    down: Tensor
    left: Tensor
    right: Tensor
    scale: float

    @classmethod
    def claims(cls, tensors: Mapping[str, Tensor]) -> bool:
        return not {"a1", "a2", "b1", "b2", "bm"}.isdisjoint(tensors)

    @classmethod
    def build(cls, parts: Parts) -> GloraModule:
        """LyCORIS stores a1 [in, r], b1 [out, r] since 2024-05-18; before, the other way."""
        tensors = tuple(parts.of_rank(role, 2, 3, 4, 5) for role in ("a1", "a2", "b1", "b2"))
        a1, a2, b1, b2 = tensors
        core = parts.of_rank("bm", 3, 4, 5) if "bm" in parts else None
        for left, right, up, down in ((a1, a2, b1, b2), (a2, a1, b2, b1)):
            if _agree(left, right, up, down, core):
                scale = parts.scale(down.shape[0])
                if core is not None:
                    down = _with_core(down, core)
                flat = [as_matrix(factor) for factor in (up, left, right)]
                return cls(flat[0], down, flat[1], flat[2], scale, hints=parts.hints)
        found = ", ".join(show(tensor.shape) for tensor in tensors)
        raise parts.hints.broken(f"a1, a2, b1 and b2 are {found}", "GLoRA factors of one rank")

    @property
    def shape(self) -> Shape:
        return (self.up.shape[0], *self.down.shape[1:])

    def delta(self, weight: Tensor, dyn_dim: int | None = None) -> Tensor:
        self.check_fits(weight)
        delta = f32(self.up, weight) @ as_matrix(f32(self.down, weight))
        base = weight.to(torch.float32)
        left, right = f32(self.left, weight), f32(self.right, weight)
        through = torch.einsum("oi...,ir->or...", base, left)
        through = torch.einsum("or...,rj->oj...", through, right)
        return (delta.reshape(weight.shape) + through) * self.scale

    def rows(self, start: int, stop: int) -> GloraModule:
        # W (left @ right) works on each row of the weight alone, so only `up` is cut
        self.check_rows(start, stop, self.up.shape[0])
        return dataclasses.replace(self, up=self.up[start:stop])


def _agree(left: Tensor, right: Tensor, up: Tensor, down: Tensor, core: Tensor | None) -> bool:
    """left [in, r], right [r, in], up [out, r] and down [r, in, *kernel], kernels elsewhere 1."""
    pointwise = (left, right, up) if core is None else (left, right, up, down)
    return (
        all(tensor.shape[2:].numel() == 1 for tensor in pointwise)
        and left.shape[:2] == right.shape[:2][::-1]
        and left.shape[0] == down.shape[1]
        and up.shape[1] == (down.shape[0] if core is None else core.shape[0])
        and (core is None or core.shape[1] == down.shape[0])
    )


def _with_core(down: Tensor, core: Tensor) -> Tensor:
    """down [r, in] with bm [r, r, *kernel] folded in: [r, in, *kernel]."""
    return torch.einsum("mn...,ni->mi...", f64(core), f64(as_matrix(down))).to(torch.float32)
