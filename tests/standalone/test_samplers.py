"""The WebUI's sampler names, and that the schedulers behind them compute the WebUI's formulas."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from loradex.errors import InputError

from standalone.samplers import SAMPLERS, SCHEDULE_NAMES, make_scheduler, resolve_sampler

NOISE = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
         "beta_schedule": "scaled_linear", "prediction_type": "epsilon"}
STEPS = 9


@pytest.mark.parametrize(
    ("name", "schedule", "expected"),
    [
        ("Euler a", "Automatic", ("Euler a", "Uniform")),
        ("euler A", "uniform", ("Euler a", "Uniform")),
        ("DPM++ 2M", "Automatic", ("DPM++ 2M", "Karras")),
        ("DPM++ 2M Karras", "Automatic", ("DPM++ 2M", "Karras")),
        ("DPM++ 2M SDE Exponential", "Automatic", ("DPM++ 2M SDE", "Exponential")),
        ("DPM++ 2M Karras", "Uniform", ("DPM++ 2M", "Uniform")),
        ("k_euler_a", "", ("Euler a", "Uniform")),
    ],
)
def test_names_mean_what_they_mean_in_the_webui(
    name: str, schedule: str, expected: tuple[str, str]
) -> None:
    sampler, chosen = resolve_sampler(name, schedule)
    assert (sampler.name, chosen) == expected


def test_an_unknown_sampler_is_refused_with_the_nearest_and_the_list() -> None:
    with pytest.raises(InputError) as caught:
        resolve_sampler("Euler b")
    text = str(caught.value)
    assert "'Euler b'" in text
    assert "Did you mean 'Euler a' or 'Euler'?" in text
    assert all(name in text for name in SAMPLERS)


def test_a_schedule_that_a_sampler_cannot_follow_is_refused() -> None:
    with pytest.raises(InputError, match="not one that DDIM can follow"):
        resolve_sampler("DDIM", "Karras")
    with pytest.raises(InputError, match="schedule 'Karas': unknown"):
        resolve_sampler("Euler", "Karas")


def _run(name: str, schedule: str, denoise: Any, config: dict[str, Any] | None = None) -> Any:
    """Sample with a model whose denoised answer is `denoise(x, sigma)`; x in sigma units."""
    import torch

    scheduler = make_scheduler(name, schedule, config or NOISE, STEPS)
    scheduler.set_timesteps(STEPS)
    generator = torch.Generator().manual_seed(3)
    noise = torch.randn(1, 4, 4, 4, generator=generator, dtype=torch.float64)
    x = noise * scheduler.init_noise_sigma
    alphas = scheduler.alphas_cumprod.double()
    for timestep in scheduler.timesteps:
        scaled = scheduler.scale_model_input(x, timestep).double()
        low = int(timestep)
        part = float(timestep) - low
        sigmas = ((1 - alphas) / alphas).sqrt().log()
        high = min(low + 1, 999)
        sigma = (sigmas[low] * (1 - part) + sigmas[high] * part).exp()
        model_x = scaled * (sigma**2 + 1).sqrt()
        answer = (model_x - denoise(model_x, sigma)) / sigma
        extra = {"generator": generator} if "a" in name.split() or "SDE" in name else {}
        x = scheduler.step(answer, timestep, x, return_dict=False, **extra)[0]
    return x, scheduler


@pytest.mark.torch
@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_walks_to_the_picture_that_the_model_wants(name: str) -> None:
    torch = pytest.importorskip("torch")
    goal = torch.full((1, 4, 4, 4), 0.7, dtype=torch.float64)
    x, _ = _run(name, "Automatic", lambda x, sigma: goal)
    # PLMS and DDIM stop at the first timestep's noise, UniPC at the smallest sigma.
    assert (x - goal).abs().max() < 0.25


@pytest.mark.torch
@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("schedule", SCHEDULE_NAMES)
def test_every_pair_is_either_run_or_refused(name: str, schedule: str) -> None:
    torch = pytest.importorskip("torch")
    try:
        resolve_sampler(name, schedule)
    except InputError:
        return
    x, _ = _run(name, schedule, lambda x, sigma: 0.5 * x)
    assert torch.isfinite(x).all()


def _denoise(x: Any, sigma: Any) -> Any:
    """Some smooth model; the exact solution does not matter."""
    return (x / (sigma**2 + 1)).tanh() + 0.1


def _noise(generator: Any) -> Any:
    import torch

    return torch.randn(1, 4, 4, 4, generator=generator, dtype=torch.float64)


@pytest.mark.torch
@pytest.mark.parametrize("schedule", ["Uniform", "Karras"])
def test_euler_equals_the_formula(schedule: str) -> None:
    """x += (x - denoised) / sigma * (next - sigma): Karras et al. 2022, algorithm 2."""
    torch = pytest.importorskip("torch")
    ours, scheduler = _run("Euler", schedule, _denoise)
    generator = torch.Generator().manual_seed(3)
    sigmas = scheduler.sigmas.double()
    x = _noise(generator) * scheduler.init_noise_sigma
    for sigma, following in itertools.pairwise(sigmas):
        x = x + (x - _denoise(x, sigma)) / sigma * (following - sigma)
    assert (ours - x).abs().max() < 2e-3


@pytest.mark.torch
def test_euler_a_equals_the_formula_and_draws_its_noise_in_the_same_order() -> None:
    torch = pytest.importorskip("torch")
    ours, scheduler = _run("Euler a", "Uniform", _denoise)
    generator = torch.Generator().manual_seed(3)
    sigmas = scheduler.sigmas.double()
    x = _noise(generator) * scheduler.init_noise_sigma
    for sigma, following in itertools.pairwise(sigmas):
        up = (following**2 * (sigma**2 - following**2) / sigma**2).sqrt()
        down = (following**2 - up**2).sqrt()
        x = x + (x - _denoise(x, sigma)) / sigma * (down - sigma)
        x = x + _noise(generator) * up
    assert (ours - x).abs().max() < 2e-3


@pytest.mark.torch
@pytest.mark.parametrize("schedule", ["Automatic", "Exponential"])
def test_dpm_2m_equals_the_formula(schedule: str) -> None:
    """Lu et al. 2022, algorithm 2 (multistep, data prediction), first order at the last step."""
    torch = pytest.importorskip("torch")
    ours, scheduler = _run("DPM++ 2M", schedule, _denoise)
    sigmas = scheduler.sigmas.double()
    x = _noise(torch.Generator().manual_seed(3)) * sigmas[0]
    before, last_h = None, None
    for sigma, following in itertools.pairwise(sigmas):
        denoised = _denoise(x, sigma)
        h = sigma.log() - following.log()
        blend = denoised
        if before is not None and following > 0:
            blend = denoised + (denoised - before) * h / (2 * last_h)
        x = following / sigma * x - torch.expm1(-h) * blend
        before, last_h = denoised, h
    assert (ours - x).abs().max() < 2e-3


@pytest.mark.torch
def test_the_karras_schedule_runs_from_the_largest_to_the_smallest_sigma_of_training() -> None:
    pytest.importorskip("torch")
    for name in ("Euler", "DPM++ 2M"):
        scheduler = make_scheduler(name, "Karras", NOISE)
        scheduler.set_timesteps(10)
        assert float(scheduler.sigmas[0]) == pytest.approx(14.6146, rel=1e-4)
        assert float(scheduler.sigmas[-2]) == pytest.approx(0.0292, rel=1e-2)
        assert float(scheduler.sigmas[-1]) == 0


WALKING = ("Euler", "Euler a", "Heun", "DPM++ 2M", "DPM++ 2M SDE", "DPM++ 2M SDE Heun",
           "DPM++ 3M SDE")


def _worked_out(schedule: str, steps: int) -> list[float]:
    """The WebUI's noise levels in plain Python, from the formulas of its modules/sd_schedulers.py
    and of k-diffusion (external.py, sampling.py)."""
    product, logs = 1.0, []
    for number in range(1000):
        root = 0.00085**0.5 + (0.012**0.5 - 0.00085**0.5) * number / 999
        product *= 1 - root**2
        logs.append(math.log((1 - product) / product) / 2)

    def sigma(t: float) -> float:
        low, high = math.floor(t), math.ceil(t)
        return math.exp(logs[low] * (1 - t + low) + logs[high] * (t - low))

    least, most = sigma(0), sigma(999)
    ramp = [number / (steps - 1) for number in range(steps)]
    return {
        "Uniform": [sigma(999 * (1 - r)) for r in ramp],
        "Karras": [(most**(1 / 7) + r * (least**(1 / 7) - most**(1 / 7)))**7 for r in ramp],
        "Exponential": [most * (least / most)**r for r in ramp],
        "SGM Uniform": [sigma(999 * (1 - number / steps)) for number in range(steps)],
        "Simple": [sigma(999 - int(number * 1000 / steps)) for number in range(steps)],
    }[schedule]


@pytest.mark.torch
@pytest.mark.parametrize("schedule", SCHEDULE_NAMES[1:])
@pytest.mark.parametrize("name", WALKING)
def test_the_noise_levels_are_the_webuis(name: str, schedule: str) -> None:
    pytest.importorskip("torch")
    scheduler = make_scheduler(name, schedule, NOISE)
    scheduler.set_timesteps(7)
    levels = list(dict.fromkeys(scheduler.sigmas.tolist()))  # Heun has most of them twice
    expected = _worked_out(schedule, 7)
    if name == "DPM++ 3M SDE":  # its option discard_next_to_last_sigma
        expected = _worked_out(schedule, 8)[:-1]
    assert levels == pytest.approx([*expected, 0.0], rel=1e-4)


@pytest.mark.torch
def test_the_unet_is_told_timesteps_with_fractions() -> None:
    """AUTOMATIC1111 rounds them only with "Enable quantization in K samplers"."""
    pytest.importorskip("torch")
    for name in ("Euler", "Euler a", "DPM++ 2M"):
        scheduler = make_scheduler(name, "Uniform", NOISE)
        scheduler.set_timesteps(5)
        assert scheduler.timesteps.tolist() == pytest.approx([999, 749.25, 499.5, 249.75, 0])


@pytest.mark.torch
@pytest.mark.parametrize("name", WALKING)
def test_the_first_latents_are_the_noise_times_the_first_sigma(name: str) -> None:
    """AUTOMATIC1111 without "SGM noise multiplier"; some schedulers hold x / (1 + sigma^2)^0.5."""
    pytest.importorskip("torch")
    scheduler = make_scheduler(name, "Karras", NOISE)
    scheduler.set_timesteps(5)
    sigma = float(scheduler.sigmas[0])
    scale = (1 + sigma**2)**0.5 if name.startswith("DPM++") else 1
    assert float(scheduler.init_noise_sigma) * scale == pytest.approx(sigma, rel=1e-6)


@pytest.mark.torch
@pytest.mark.parametrize("steps", [1, 2, 150])
@pytest.mark.parametrize("schedule", SCHEDULE_NAMES[1:])
def test_any_number_of_steps_can_be_walked(schedule: str, steps: int) -> None:
    torch = pytest.importorskip("torch")
    for name in ("Euler", "DPM++ 3M SDE"):
        scheduler = make_scheduler(name, schedule, NOISE)
        scheduler.set_timesteps(steps)
        assert scheduler.sigmas.shape == (steps + 1,)
        assert (scheduler.sigmas.diff() < 0).all()
        assert torch.isfinite(scheduler.timesteps).all()


@pytest.mark.torch
def test_v_prediction_and_zero_snr_reach_the_scheduler() -> None:
    pytest.importorskip("torch")
    config = {**NOISE, "prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    scheduler = make_scheduler("Euler a", "Automatic", config)
    assert scheduler.config.prediction_type == "v_prediction"
    assert float(scheduler.alphas_cumprod[-1]) < 1e-6


@pytest.mark.torch
def test_a_sampler_without_zero_snr_says_so() -> None:
    pytest.importorskip("torch")
    with pytest.raises(InputError, match="zero-terminal-SNR"):
        make_scheduler("Heun", "Automatic", {**NOISE, "rescale_betas_zero_snr": True})


@pytest.mark.torch
def test_lcm_takes_more_steps_than_it_was_trained_for() -> None:
    pytest.importorskip("torch")
    scheduler = make_scheduler("LCM", "Automatic", NOISE, steps=80)
    scheduler.set_timesteps(80)
    assert len(scheduler.timesteps) == 80
