"""Floors and other engines' orders of operations, written anew as loops over the same modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.gpu_models import RANK
from benchmarks.gpu_times import Rows, take

CHUNK_BYTES = 32 << 20
"""Copied and read again while it is still in the L2 cache (50 MB on an H100, 60 on an H200)."""
Job = tuple[Tensor, Tensor, Tensor, Tensor]


def make_jobs(root: nn.Module) -> list[Job]:
    """base, up, down, live in the weight's dtype, each with storage of its own."""
    jobs: list[Job] = []
    for parameter in root.parameters():
        base = parameter.data.flatten(1)
        up, down = base.new_empty(base.shape[0], RANK), base.new_empty(RANK, base.shape[1])
        jobs.append((base, up.normal_(0, 0.02), down.normal_(0, 0.02), torch.empty_like(base)))
    return jobs


def group_copy_addmm(jobs: Sequence[Job]) -> None:
    """All copies first: no module is still in the cache, so this must move four passes."""
    for base, _, _, live in jobs:
        live.copy_(base)
    for _, up, down, live in jobs:
        live.addmm_(up, down)


def chunks(jobs: Sequence[Job]) -> Iterator[tuple[Tensor, ...]]:
    """Modules of one shape, packed beforehand into stacks of at most CHUNK_BYTES."""
    groups: dict[torch.Size, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job[0].shape, []).append(job)
    for group in groups.values():
        one = group[0][0].numel() * group[0][0].element_size()
        count = max(1, CHUNK_BYTES // one)
        for start in range(0, len(group), count):
            yield tuple(torch.stack(part) for part in zip(*group[start:start + count], strict=True))


def like_a1111(jobs: Sequence[Job], backup: Sequence[Tensor], factors: Sequence[Any]) -> None:
    """Its order of operations: the base from the CPU, factors with .to() each, then the sum."""
    for (_, _, _, live), kept, (up, down) in zip(jobs, backup, factors, strict=True):
        live.copy_(kept)
        live += up.to(live.device, live.dtype) @ down.to(live.device, live.dtype)


def like_forge(jobs: Sequence[Job]) -> None:
    """Its order of operations: fp32 weight, fp32 factors, fp32 delta and sum, then the cast."""
    for base, up, down, live in jobs:
        weight = base.to(torch.float32)
        weight += torch.mm(up.float(), down.float())
        live.copy_(weight.to(live.dtype))


def measure_loops(root: nn.Module, rows: Rows, repeat: int, device: str) -> None:
    jobs = make_jobs(root)
    packed = list(chunks(jobs))
    backup = [base.cpu() for base, *_ in jobs]
    factors = [(up.cpu(), down.cpu()) for _, up, down, _ in jobs]
    actions: dict[str, Callable[[], object]] = {
        "floor: copy per module": lambda: [x.copy_(b) for b, _, _, x in jobs],
        "addmm, out= per module": lambda: [
            torch.addmm(b, u, d, out=x) for b, u, d, x in jobs],
        "copy_ + addmm_ per module": lambda: [
            x.copy_(b).addmm_(u, d) for b, u, d, x in jobs],
        "all copy_, then all addmm_": lambda: group_copy_addmm(jobs),
        "packed baddbmm, 32 MB": lambda: [
            torch.baddbmm(b, u, d, out=x) for b, u, d, x in packed],
        "like A1111": lambda: like_a1111(jobs, backup, factors),
        "like Forge": lambda: like_forge(jobs),
    }
    for action in actions.values():  # the first call chooses kernels
        action()
    for _ in range(repeat):
        for name, action in actions.items():
            take(rows, name, action, device)
