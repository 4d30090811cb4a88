"""Rotations out of stored skew matrices: R - I, made in fp64 and without cancellation."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from loradex.networks.base import f64


def skew(blocks: Tensor) -> Tensor:
    """Q = B - B^T in fp64; any [..., b, b]."""
    wide = f64(blocks)
    return wide - wide.transpose(-1, -2)


def limited(q: Tensor, limit: float) -> Tensor:
    """Q scaled down so that its norm over all blocks together is at most `limit`; 0 is no limit."""
    norm = float(torch.linalg.vector_norm(q))
    return q * (limit / norm) if 0 < limit < norm else q


def cayley(q: Tensor) -> Tensor:
    """(I + Q)(I - Q)^-1 - I = 2 (I - Q)^-1 Q in fp32; the inverse exists for every skew Q."""
    eye = torch.eye(q.shape[-1], dtype=q.dtype).expand_as(q)
    turn: Tensor = torch.linalg.solve(eye - q, 2 * q)
    return turn.to(torch.float32)


def neumann(q: Tensor, terms: int) -> Tensor:
    """PEFT's series for the same: 2Q + 2Q^2 + ... + Q^n, n = terms - 1 and at least 3 from 3 on."""
    if terms < 2:
        return torch.zeros(q.shape)
    if terms == 2:
        return (2 * q).to(torch.float32)
    last = max(terms, 4) - 1
    power, total = q, 2 * q
    for exponent in range(2, last + 1):
        power = power @ q
        total = total + (power if exponent == last else 2 * power)
    return total.to(torch.float32)


def unpack_skew(packed: Tensor, block: int) -> Tensor:
    """[n, b (b - 1) / 2], the upper triangles row by row, as skew [n, b, b] in fp64."""
    rows, columns = torch.triu_indices(block, block, 1)
    full = torch.zeros(packed.shape[0], block, block, dtype=torch.float64)
    full[:, rows, columns] = f64(packed)
    return full - full.transpose(-1, -2)


def block_of(elements: int) -> int | None:
    """b with b (b - 1) / 2 = elements, or `None`."""
    block = (1 + math.isqrt(1 + 8 * elements)) // 2
    return block if elements > 0 and block * (block - 1) // 2 == elements else None
