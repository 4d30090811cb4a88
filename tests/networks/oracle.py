"""The formulas of every network type in fp64, written plainly and apart from the implementation.

Dense matrices and explicit loops where the implementation works by blocks. Each function takes the
tensors by role and the weight and returns the weight at strength 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Parts = Mapping[str, Tensor]
Merged = Callable[[Parts, Tensor], Tensor]


def wide(tensor: Tensor) -> Tensor:
    return tensor.to(torch.float64)


def scale_of(parts: Parts, rank: int) -> float:
    if "scale" in parts:
        return float(parts["scale"])
    return float(parts["alpha"]) / rank if "alpha" in parts else 1.0


def lora_delta(parts: Parts, shape: torch.Size) -> Tensor:
    up, down = wide(parts["up"]).flatten(1), wide(parts["down"])
    scale = scale_of(parts, down.shape[0])
    if "mid" in parts:
        full = torch.einsum("mnkl,im,nj->ijkl", wide(parts["mid"]), up, down.flatten(1))
        return (full * scale).reshape(shape)
    return (up @ down.flatten(1) * scale).reshape(shape)


def loha_delta(parts: Parts, shape: torch.Size) -> Tensor:
    halves = []
    for half in "12":
        a, b = wide(parts[f"hada_w{half}_a"]), wide(parts[f"hada_w{half}_b"])
        if f"hada_t{half}" in parts:
            core = wide(parts[f"hada_t{half}"])
            halves.append(torch.einsum("ijkl,jr,ip->prkl", core, b, a))
        else:
            halves.append(a @ b)
    rank = parts["hada_w1_b"].shape[0]
    return (halves[0] * halves[1] * scale_of(parts, rank)).reshape(shape)


def lokr_delta(parts: Parts, shape: torch.Size) -> Tensor:
    rank = None
    if "lokr_w1" in parts:
        w1 = wide(parts["lokr_w1"])
    else:
        w1 = wide(parts["lokr_w1_a"]) @ wide(parts["lokr_w1_b"])
        rank = parts["lokr_w1_b"].shape[0]
    if "lokr_w2" in parts:
        w2 = wide(parts["lokr_w2"])
    elif "lokr_t2" in parts:
        w2 = torch.einsum(
            "ijkl,ip,jr->prkl", wide(parts["lokr_t2"]), wide(parts["lokr_w2_a"]),
            wide(parts["lokr_w2_b"]),
        )
        rank = parts["lokr_w2_b"].shape[0]
    else:
        w2 = wide(parts["lokr_w2_a"]) @ wide(parts["lokr_w2_b"]).flatten(1)
        w2 = w2.reshape(w2.shape[0], -1, *shape[2:])
        rank = parts["lokr_w2_b"].shape[0]
    scale = 1.0 if rank is None else scale_of(parts, rank)
    out = torch.zeros(shape, dtype=torch.float64)
    (a, c), (b, d) = w1.shape, w2.shape[:2]
    for row in range(a):
        for column in range(c):
            out[row * b : (row + 1) * b, column * d : (column + 1) * d] = w1[row, column] * w2
    return out * scale


def added(delta: Callable[[Parts, torch.Size], Tensor]) -> Merged:
    return lambda parts, weight: weight + delta(parts, weight.shape)


def dora(delta: Callable[[Parts, torch.Size], Tensor], *, on_output: bool) -> Merged:
    role_names = ("dora_scale", "magnitude_vector", "magnitude")

    def merged(parts: Parts, weight: Tensor) -> Tensor:
        changed = weight + delta(parts, weight.shape)
        magnitude = wide(next(parts[name] for name in role_names if name in parts)).flatten()
        result = torch.empty_like(changed)
        for index, value in enumerate(magnitude):
            at = (index,) if on_output else (slice(None), index)
            result[at] = value * changed[at] / torch.sqrt((changed[at] ** 2).sum())
        return result

    return merged


def cayley_dense(blocks: Tensor, limit: float = 0.0) -> Tensor:
    """(I + Q)(I - Q)^-1 of each block, Q = B - B^T, its norm over all blocks limited."""
    q = wide(blocks) - wide(blocks).transpose(-1, -2)
    norm = torch.sqrt((q**2).sum())
    if limit > 0:
        q = q * min(float(norm), limit) / norm
    eye = torch.eye(q.shape[-1], dtype=torch.float64)
    return (eye + q) @ torch.linalg.inv(eye - q)


def oft(parts: Parts, weight: Tensor) -> Tensor:
    if "oft_diag" in parts:
        rotation = wide(parts["oft_diag"])
    else:
        limit = float(parts.get("alpha", torch.tensor(0.0))) * weight.shape[0]
        rotation = cayley_dense(parts["oft_blocks"], limit)
    dense = torch.block_diag(*rotation)
    turned = (dense.T @ weight.flatten(1)).reshape(weight.shape)
    if "rescale" in parts:
        turned = turned * wide(parts["rescale"]).reshape(-1, *[1] * (weight.dim() - 1))
    return turned


def boft(parts: Parts, weight: Tensor) -> Tensor:
    blocks = parts["oft_blocks"]
    limit = float(parts.get("alpha", torch.tensor(0.0))) * weight.shape[0]
    rotations = cayley_dense(blocks, limit)
    size, out = blocks.shape[-1], weight.shape[0]
    turned = weight.flatten(1)
    for stage in range(blocks.shape[0]):
        half = 2**stage * size // 2
        gather = torch.zeros(out, out, dtype=torch.float64)
        place = 0
        for group in range(out // (2 * half)):
            for within in range(half):
                for side in range(2):
                    gather[place, group * 2 * half + side * half + within] = 1
                    place += 1
        turned = gather.T @ torch.block_diag(*rotations[stage]) @ gather @ turned
    turned = turned.reshape(weight.shape)
    if "rescale" in parts:
        turned = turned * wide(parts["rescale"]).reshape(-1, *[1] * (weight.dim() - 1))
    return turned


def peft_oft(terms: int = 5) -> Merged:
    def merged(parts: Parts, weight: Tensor) -> Tensor:
        packed = wide(parts["oft_r"])
        size = round((1 + math.sqrt(1 + 8 * packed.shape[1])) / 2)
        blocks = []
        for row in packed:
            q, at = torch.zeros(size, size, dtype=torch.float64), 0
            for i in range(size):
                for j in range(i + 1, size):
                    q[i, j], q[j, i] = row[at], -row[at]
                    at += 1
            blocks.append(series(q / (2 * math.sqrt(size - 1)) if "scale" in parts else q, terms))
        flat = weight.flatten(1)
        if len(blocks) == 1:
            blocks *= flat.shape[1] // size
        return (flat @ torch.block_diag(*blocks).T).reshape(weight.shape)

    return merged


def series(q: Tensor, terms: int) -> Tensor:
    eye = torch.eye(q.shape[0], dtype=torch.float64)
    if terms == 0:
        return (eye - q) @ torch.linalg.inv(eye + q)
    assert terms == 5
    return eye + 2 * q + 2 * q @ q + 2 * q @ q @ q + q @ q @ q @ q


def peft_boft(parts: Parts, weight: Tensor) -> Tensor:
    blocks = wide(parts["boft_r"])
    q = (blocks - blocks.transpose(-1, -2)) / 2
    stages, _, size, _ = blocks.shape
    eye = torch.eye(size, dtype=torch.float64)
    rotations = (eye - q) @ torch.linalg.inv(eye + q)
    flat = weight.flatten(1)
    columns, total = flat.shape[1], torch.eye(flat.shape[1], dtype=torch.float64)
    for stage in range(stages):
        order: list[int] = []
        for start in range(0, columns, size * 2**stage):
            halves = [
                list(range(start + k * size // 2, start + (k + 1) * size // 2))
                for k in range(2 * 2**stage)
            ]
            order += [column for half in halves[0::2] + halves[1::2] for column in half]
        if stages == 1:
            order = list(range(columns))
        move = torch.eye(columns, dtype=torch.float64)[order]
        total = move @ torch.block_diag(*rotations[stage]) @ move.T @ total
    turned = (total @ flat.T).T
    if "boft_s" in parts:
        turned = turned * wide(parts["boft_s"]).reshape(-1, 1)
    return turned.reshape(weight.shape)


def glora(*, new: bool) -> Merged:
    def merged(parts: Parts, weight: Tensor) -> Tensor:
        names = ("a1", "a2", "b1", "b2") if new else ("a2", "a1", "b2", "b1")
        left, right, up, down = (wide(parts[name]) for name in names)
        left, right, up = left.flatten(1), right.flatten(1), up.flatten(1)
        scale = scale_of(parts, down.shape[0])
        if "bm" in parts:
            b = torch.einsum("mnkl,im,nj->ijkl", wide(parts["bm"]), up, down.flatten(1))
        else:
            b = (up @ down.flatten(1)).reshape(weight.shape)
        through = torch.tensordot(weight.movedim(1, -1), left @ right, 1).movedim(-1, 1)
        return weight + scale * (b.reshape(weight.shape) + through)

    return merged


def ia3(parts: Parts, weight: Tensor) -> Tensor:
    gain = wide(parts["ia3_weight"]).flatten()
    shape = [1] * weight.dim()
    shape[1 if bool(parts["on_input"]) else 0] = -1
    return weight * (1 + gain.reshape(shape))


def peft_ia3(axis: int) -> Merged:
    def merged(parts: Parts, weight: Tensor) -> Tensor:
        shape = [1] * weight.dim()
        shape[axis] = -1
        return weight * wide(parts["ia3_l"]).reshape(shape)

    return merged


def full(parts: Parts, weight: Tensor) -> Tensor:
    return weight + wide(parts["diff"]).reshape(weight.shape)


def norm(parts: Parts, weight: Tensor) -> Tensor:
    return weight + wide(parts["w_norm"])


def embedding(parts: Parts, weight: Tensor) -> Tensor:
    a, b = wide(parts["embedding_a"]), wide(parts["embedding_b"])
    return weight + (b @ a).T * scale_of(parts, a.shape[0])


def sparse_bias(parts: Parts, weight: Tensor) -> Tensor:
    dense = torch.zeros([int(n) for n in parts["bias_size"]], dtype=torch.float64)
    places, values = parts["bias_indices"].T.tolist(), wide(parts["bias_values"])
    for index, value in zip(places, values, strict=True):
        dense[tuple(index)] += value
    return _with_residual(parts, weight, dense)


def dense_bias(parts: Parts, weight: Tensor) -> Tensor:
    return _with_residual(parts, weight, wide(parts["bias"]))


def _with_residual(parts: Parts, weight: Tensor, residual: Tensor) -> Tensor:
    scale = scale_of(parts, parts["down"].shape[0])
    without = lora_delta(parts, weight.shape)
    return weight + without + scale * residual.reshape(weight.shape)


def set_weight(parts: Parts, weight: Tensor) -> Tensor:
    return wide(parts["set_weight"]).reshape(weight.shape)
