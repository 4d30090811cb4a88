"""Where in a run the WebUI is, out of what it tells before each call of the denoiser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Position:
    """A step, from 0, of so many; `hires` is the second pass of hires fix."""

    index: int = 0
    total: int = 1
    hires: bool = False


def position_of(params: Any) -> Position:
    """The position that `on_cfg_denoiser` tells of.

    `sampling_step` lags one behind: the WebUI sets it when a step is over (sd_samplers_common.py,
    `callback_state`), so the first two steps are both 0. The denoiser itself counts its calls, and
    samplers of second order make two in a step.
    """
    denoiser = getattr(params, "denoiser", None)
    hires = bool(getattr(getattr(denoiser, "p", None), "is_hr_pass", False))
    calls, made = getattr(denoiser, "total_steps", None), getattr(denoiser, "step", None)
    steps = int(getattr(denoiser, "steps", None) or params.total_sampling_steps or 1)
    if not calls or made is None:
        return Position(int(params.sampling_step), steps, hires)
    return Position(min(int(made) * steps // int(calls), steps - 1), steps, hires)
