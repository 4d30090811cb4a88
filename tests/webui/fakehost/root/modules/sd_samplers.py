"""The sampler: a few steps of the UNet with both conditionings, and the refiner's switch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from modules import sd_models, shared
from modules.prompt_parser import reconstruct_cond_batch, reconstruct_multicond_batch
from modules.script_callbacks import CFGDenoiserParams, cfg_denoiser_callback


class CFGDenoiser:
    """One sampling run; `conds` are its two conditionings."""

    def __init__(self, p: Any, conds: tuple[Any, Any], steps: int) -> None:
        self.p, self.conds, self.steps, self.total_steps, self.step = p, conds, steps, steps, 0

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """x: [batch, 4, 2, 2]"""
        if apply_refiner(self):
            self.conds = self.p.get_conds()
        places, cond = reconstruct_multicond_batch(self.conds[0], self.step)
        uncond = reconstruct_cond_batch(self.conds[1], self.step)
        params = CFGDenoiserParams(
            x, None, sigma, shared.state.sampling_step, shared.state.sampling_steps, cond, uncond,
            self)
        cfg_denoiser_callback(params)
        repeated = [params.x[i] for i, rows in enumerate(places) for _ in rows]
        doubled = torch.cat([torch.stack(repeated), params.x])
        times = sigma.expand(len(doubled))[:, None]
        found = shared.sd_model.apply_model(
            doubled, times, torch.cat([params.text_cond, params.text_uncond]))
        self.step += 1
        denoised = found[-len(params.x):].clone()
        for i, rows in enumerate(places):
            for row, weight in rows:
                denoised[i] += (found[row] - found[i - len(params.x)]) * weight * self.p.cfg_scale
        return denoised


def apply_refiner(denoiser: CFGDenoiser) -> bool:
    """Loads the refiner in the middle of sampling, and makes the conditioning anew."""
    p = denoiser.p
    info = p.refiner_checkpoint_info
    if p.refiner_switch_at is not None and (
            denoiser.step / denoiser.total_steps < p.refiner_switch_at):
        return False
    if info is None or shared.sd_model.sd_checkpoint_info.filename == info.filename:
        return False
    if p.enable_hr and not _refines_this_pass(p):
        return False
    p.extra_generation_params["Refiner"] = info.short_title
    p.extra_generation_params["Refiner switch at"] = p.refiner_switch_at
    with sd_models.SkipWritingToConfig():
        sd_models.reload_model_weights(info=info)
    p.setup_conds()
    return True


def _refines_this_pass(p: Any) -> bool:
    wanted = shared.opts.hires_fix_refiner_pass
    return wanted == "both passes" or (wanted == "second pass") == p.is_hr_pass


def sample(p: Any, x: Tensor, cond: Any, uncond: Any, steps: int) -> Tensor:
    denoiser = CFGDenoiser(p, (cond, uncond), steps)
    shared.state.sampling_steps, shared.state.sampling_step = steps, 0
    for step in range(steps):
        if shared.state.interrupted:
            break
        sigma = torch.tensor([1 - step / steps])
        x = x + 0.1 * torch.sin(denoiser.forward(x, sigma))
        shared.state.sampling_step = step  # only now, so that the next step is told the number
    return x
