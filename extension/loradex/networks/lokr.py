"""LoKr: delta = scale * kron(w1, w2), each half stored whole or as two factors."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from loradex.networks.base import NetworkModule, as_matrix, f32, f64
from loradex.networks.full import FullModule
from loradex.networks.parts import Parts, Shape, show

# Up to this rank one GEMM into the weight costs less than writing kron out and adding it: on two
# CPU cores a rank of 64 takes about as long as the two passes over memory that it saves.
_RANK_THAT_PAYS = 64


@dataclass(frozen=True, eq=False)
class Half:
    """One side of the product: `whole` [p, q, *kernel], or left [p, r] @ right [r, q, *kernel]."""

    whole: Tensor | None
    left: Tensor | None = None
    right: Tensor | None = None

    @property
    def shape(self) -> Shape:
        """[p, q, *kernel]; q holds in * kh * kw where the right factor is a matrix of a conv."""
        if self.whole is not None:
            return tuple(self.whole.shape)
        left, right = self.pair
        return (left.shape[0], *right.shape[1:])

    @property
    def pair(self) -> tuple[Tensor, Tensor]:
        """The two factors; there are none where the half is stored whole."""
        if self.left is None or self.right is None:
            raise ValueError("this half is stored whole")
        return self.left, self.right

    def matrix(self, like: Tensor) -> Tensor:
        """[p, q * kernel] in fp32."""
        if self.whole is not None:
            return as_matrix(f32(self.whole, like))
        left, right = self.pair
        return f32(left, like) @ as_matrix(f32(right, like))

    def split(self) -> tuple[Tensor, Tensor]:
        """Two fp32 matrices whose product is this half; a whole one takes an identity beside it."""
        if self.whole is None:
            left, right = self.pair
            return f32(left), as_matrix(f32(right))
        whole = as_matrix(f32(self.whole))
        rows, columns = whole.shape
        if columns <= rows:
            return whole, torch.eye(columns, device=whole.device)
        return torch.eye(rows, device=whole.device), whole

    def rows(self, start: int, stop: int) -> Half:
        """Rows [start, stop) of this half."""
        if self.whole is not None:
            return Half(self.whole[start:stop])
        left, right = self.pair
        return Half(None, left[start:stop], right)


@dataclass(frozen=True, eq=False)
class LokrModule(NetworkModule):
    """w1 [a, c] and w2 [b, d, *kernel] make a delta [a * b, c * d, *kernel]."""

    type_name = "lokr"

    w1: Half
    w2: Half
    scale: float

    @classmethod
    def claims(cls, tensors: Mapping[str, Tensor]) -> bool:
        return any(role.startswith("lokr_") for role in tensors)

    @classmethod
    def build(cls, parts: Parts) -> LokrModule:
        if "lokr_t1" in parts:
            raise parts.hints.broken("'lokr_t1' is a form that no trainer is known to write")
        w1, w2 = _half(parts, "lokr_w1"), _half(parts, "lokr_w2")
        if len(w1.shape) != 2:
            raise parts.hints.broken(f"'lokr_w1' is {show(w1.shape)}", "a matrix")
        return cls(w1, w2, _scale(parts, w1, w2), hints=parts.hints)

    @property
    def shape(self) -> Shape:
        (a, c), (b, d, *kernel) = self.w1.shape, self.w2.shape
        return (a * b, c * d, *kernel)

    @property
    def flat(self) -> bool:
        return self.w2.whole is None and len(self.w2.shape) == 2

    def factors(self, dyn_dim: int | None = None) -> tuple[Tensor, Tensor] | None:
        """kron(A1 @ B1, A2 @ B2) is kron(A1, A2) @ kron(B1, B2); `None` where that rank is high."""
        (a1, b1), (a2, b2) = self.w1.split(), self.w2.split()
        rank = a1.shape[1] * a2.shape[1]
        out, columns = a1.shape[0] * a2.shape[0], b1.shape[1] * b2.shape[1]
        if rank > _RANK_THAT_PAYS or 4 * rank * (out + columns) > out * columns:
            return None
        if out <= columns:
            return _kron(a1 * self.scale, a2), _kron(b1, b2)
        return _kron(a1, a2), _kron(b1 * self.scale, b2)

    def delta(self, weight: Tensor, dyn_dim: int | None = None) -> Tensor:
        self.check_fits(weight)
        # the scale goes onto w1, always the smaller half; kron writes the delta once
        w1 = self.w1.matrix(weight) * self.scale
        return _kron(w1, self.w2.matrix(weight)).reshape(weight.shape)

    def rows(self, start: int, stop: int) -> NetworkModule:
        self.check_rows(start, stop, self.shape[0])
        block = self.w2.shape[0]
        first, last = start // block, -(-stop // block)
        aligned = dataclasses.replace(self, w1=self.w1.rows(first, last))
        if first * block == start and last * block == stop:
            return aligned
        # the cut goes through a block of w2: no LoKr has these rows, so they are written out
        weight = torch.empty(aligned.shape, device=self.device)
        diff = aligned.delta(weight)[start - first * block : stop - first * block]
        return FullModule(diff, None, self.flat, hints=self.hints, notes=self.notes)

    @property
    def device(self) -> torch.device:
        """Where the file's tensors are."""
        half = self.w1.whole if self.w1.whole is not None else self.w1.pair[0]
        return half.device


def _kron(left: Tensor, right: Tensor) -> Tensor:
    """kron of two matrices in one pass; torch.kron fails on some strides (2.1 and 2.13)."""
    product = left[:, None, :, None] * right[None, :, None, :]
    return product.reshape(left.shape[0] * right.shape[0], -1).contiguous()


def _half(parts: Parts, name: str) -> Half:
    """`name` whole, or `name`_a and `name`_b with the core `lokr_t2` folded in if there."""
    if name in parts:
        return Half(parts.of_rank(name, 2, 3, 4, 5))
    left, right = parts.of_rank(f"{name}_a", 2), parts.of_rank(f"{name}_b", 2, 3, 4, 5)
    if name == "lokr_w2" and "lokr_t2" in parts:
        return _tucker_half(parts, left, right)
    if left.shape[1] != right.shape[0]:
        raise parts.hints.broken(
            f"'{name}_a' is {show(left.shape)} and '{name}_b' is {show(right.shape)}",
            "one rank in both",
        )
    return Half(None, left, right)


def _tucker_half(parts: Parts, left: Tensor, right: Tensor) -> Half:
    """w2_a [r, b] and w2_b [r, d], stored transposed, around t2 [r, r, *kernel]."""
    core = parts.of_rank("lokr_t2", 3, 4, 5)
    if core.shape[0] != left.shape[0] or core.shape[1] != right.shape[0]:
        raise parts.hints.broken(
            f"'lokr_t2' is {show(core.shape)} beside {show(left.shape)} and {show(right.shape)}",
            "one rank in all three",
        )
    folded = torch.einsum("ij...,jr->ir...", f64(core), f64(right)).to(torch.float32)
    return Half(None, left.t().contiguous(), folded)


def _scale(parts: Parts, w1: Half, w2: Half) -> float:
    """alpha / rank where a half is decomposed; 1 where both are whole, whatever alpha says.

    LyCORIS forces 1 for two whole halves since 2023-04; PEFT scales them by its configuration's
    alpha / rank all the same, which only its metadata can tell.
    """
    for half, name in ((w2, "lokr_w2_b"), (w1, "lokr_w1_b")):
        if half.whole is None:
            return parts.scale(parts.tensors[name].shape[0])
    override, stored = parts.scalar("scale"), parts.scalar("alpha")
    if override is not None:
        return override
    if stored is None and parts.hints.alpha is not None and parts.hints.rank:
        return parts.scale(parts.hints.rank)
    return 1.0
