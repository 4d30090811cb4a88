"""Several networks' factors as one product, in the weight's own type where that is as exact."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from torch import Tensor

from loradex.networks.base import Factors
from loradex.networks.recipe import Step

_MOST_WRONG = 1e-3
"""A product that is rounded before it is added differs in several percent of the elements."""


def joined_factors(
    steps: Sequence[Step], start: int, stop: int, base: Tensor
) -> Factors | None:
    """The steps' products on rows [start, stop) as one; `None` where a step has no factors.

    In the dtype of `base` where the files' numbers are of that type, the device rounds the sum
    once and one number scales all of them: no fp32 copy of factors or weights is made. Else fp32.
    """
    if base.dtype != torch.float32 and rounds_once(base.device, base.dtype):
        stored = _terms(steps, start, stop, base.device, base.dtype)
        if stored and len({abs(term.scale) for term in stored}) == 1:
            return _joined(stored)
    found = _terms(steps, start, stop, base.device, torch.float32)
    return _joined(found) if found else None


def local_rows(step: Step, start: int, stop: int) -> tuple[int, int]:
    """The rows [start, stop) of the parameter in rows of the step's own delta."""
    offset = 0 if step.edit.rows is None else step.edit.rows.start
    return start - offset, stop - offset


@functools.cache
def rounds_once(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether `addmm` in a 16-bit dtype sums in fp32 there and rounds at the end, tried once.

    No device promises it, and a CPU without 16-bit units computes element by element.
    """
    if device.type == "cpu" and not (dtype == torch.bfloat16 and _onednn_has_bf16()):
        return False
    random = torch.Generator().manual_seed(0)
    base, up, down = (torch.randn(shape, generator=random).to(dtype)
                      for shape in ((256, 384), (256, 48), (48, 384)))
    exact = (base.double() + 0.75 * up.double() @ down.double()).to(dtype)
    try:
        found = torch.addmm(base.to(device), up.to(device), down.to(device), alpha=0.75)
    except RuntimeError:  # the device does not have the operation
        return False
    return float((found.cpu() != exact).float().mean()) <= _MOST_WRONG


def _onednn_has_bf16() -> bool:
    asked = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)  # none without oneDNN
    return asked is not None and bool(asked())


def _terms(
    steps: Sequence[Step], start: int, stop: int, device: torch.device, dtype: torch.dtype
) -> list[Factors]:
    """The factors of every step on these rows, strengths in the scale; none if a step has none."""
    found: list[Factors] = []
    for step in steps:
        whole = step.edit.factors(step.dyn_dim, device, dtype)
        if whole is None:
            return []
        up = whole.up
        if step.edit.rows is not None or up.shape[0] != stop - start:
            first, last = local_rows(step, start, stop)
            up = up[first:last]
        found.append(Factors(up, whole.down, whole.scale * step.strength))
    return found


def _joined(terms: Sequence[Factors]) -> Factors:
    """sum s_i * up_i @ down_i as one product; in 16 bit all |s_i| are one, and signs are exact."""
    if len(terms) == 1:
        return terms[0]
    scale = 1.0
    if terms[0].up.dtype == torch.float32:
        ups = [term.up * term.scale for term in terms]
    else:
        scale = terms[0].scale
        ups = [term.up if term.scale == scale else -term.up for term in terms]
    return Factors(torch.cat(ups, dim=1), torch.cat([term.down for term in terms], dim=0), scale)
