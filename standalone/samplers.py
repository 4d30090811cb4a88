"""The WebUI's sampler and schedule names, and the diffusers schedulers that compute them."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from loradex.errors import InputError

from standalone.sigmas import Walking

AUTOMATIC = "Automatic"

# How the schedulers that do not walk (see `Sampler.walk`) come near a schedule by themselves.
SCHEDULES: Mapping[str, Mapping[str, Any]] = {
    "Uniform": {"timestep_spacing": "linspace"},
    "Karras": {"timestep_spacing": "linspace", "use_karras_sigmas": True},
    "Exponential": {"timestep_spacing": "linspace", "use_exponential_sigmas": True},
    # Both walk down from the last timestep in equal steps and stop one short of 0; the WebUI's
    # two forms differ by less than one timestep.
    "SGM Uniform": {"timestep_spacing": "trailing"},
    "Simple": {"timestep_spacing": "trailing"},
}
_SIGMAS = tuple(SCHEDULES)


@dataclass(frozen=True)
class Sampler:
    """One sampler: the scheduler class, its settings, the schedules it can follow.

    `default` is what "Automatic" means for it in AUTOMATIC1111 1.10. `walk` sets the attributes of
    `Walking` where the scheduler can be led down the WebUI's own noise levels.
    """

    name: str
    scheduler: str
    default: str = "Uniform"
    schedules: tuple[str, ...] = _SIGMAS
    options: Mapping[str, Any] = field(default_factory=dict)
    walk: Mapping[str, Any] | None = None


_MULTISTEP = "DPMSolverMultistepScheduler"
_SDE = {"algorithm_type": "sde-dpmsolver++", "solver_order": 2}
_PLAIN: Mapping[str, Any] = {}
_UNIT = {"unit_variance": True}
# The WebUI's DDIM and PLMS walk arange(0, 1000, 1000 // steps) + 1 from the top.
_LEADING = {"timestep_spacing": "leading", "steps_offset": 1, "set_alpha_to_one": False}

_TABLE = (
    Sampler("DPM++ 2M", _MULTISTEP, "Karras", options={"algorithm_type": "dpmsolver++"},
            walk=_UNIT),
    Sampler("DPM++ 2M SDE", _MULTISTEP, "Exponential", options=_SDE, walk=_UNIT),
    Sampler("DPM++ 2M SDE Heun", _MULTISTEP, "Exponential",
            options={**_SDE, "solver_type": "heun"}, walk=_UNIT),
    Sampler("DPM++ 3M SDE", _MULTISTEP, "Exponential", options={**_SDE, "solver_order": 3},
            walk={**_UNIT, "drop_last": True}),
    Sampler("Euler a", "EulerAncestralDiscreteScheduler", walk=_PLAIN),
    Sampler("Euler", "EulerDiscreteScheduler", walk=_PLAIN),
    Sampler("Heun", "HeunDiscreteScheduler", walk={"repeats": 2}),
    Sampler("DPM2", "KDPM2DiscreteScheduler", "Karras"),
    Sampler("DPM2 a", "KDPM2AncestralDiscreteScheduler", "Karras"),
    Sampler("DDIM", "DDIMScheduler", schedules=("Uniform",),
            options={**_LEADING, "clip_sample": False}),
    Sampler("PLMS", "PNDMScheduler", schedules=("Uniform",),
            options={**_LEADING, "skip_prk_steps": True}),
    # bh1 divides by the step's length in log-SNR, which is infinite where the last sigma is 0;
    # the WebUI's UniPC stops at the smallest sigma too.
    Sampler("UniPC", "UniPCMultistepScheduler",
            options={"solver_order": 3, "solver_type": "bh1", "final_sigmas_type": "sigma_min"}),
    Sampler("LCM", "LCMScheduler", schedules=("Uniform",), options={"clip_sample": False}),
)
_BY_NAME = {sampler.name.casefold(): sampler for sampler in _TABLE}
_ALIASES = {  # the WebUI's own short names
    "k_euler_a": "Euler a", "k_euler": "Euler", "k_euler_ancestral": "Euler a", "k_heun": "Heun",
    "k_dpm_2": "DPM2", "k_dpm_2_a": "DPM2 a", "k_dpmpp_2m": "DPM++ 2M",
    "k_dpmpp_2m_sde": "DPM++ 2M SDE", "k_dpmpp_3m_sde": "DPM++ 3M SDE", "k_lcm": "LCM",
}

SAMPLERS: tuple[str, ...] = tuple(sampler.name for sampler in _TABLE)
SCHEDULE_NAMES: tuple[str, ...] = (AUTOMATIC, *SCHEDULES)


def resolve_sampler(name: str, schedule: str = AUTOMATIC) -> tuple[Sampler, str]:
    """The sampler and the schedule that a pair of names means, "DPM++ 2M Karras" included.

    Raises:
        InputError: no such sampler or schedule, or one that the sampler cannot follow.
    """
    sampler, named = _find_sampler(name.strip())
    chosen = _find_schedule(schedule.strip() or AUTOMATIC)
    if chosen == AUTOMATIC:
        chosen = named or sampler.default
    if chosen not in sampler.schedules:
        raise InputError(
            f"schedule '{chosen}'", f"not one that {sampler.name} can follow",
            f"one of {', '.join((AUTOMATIC, *sampler.schedules))}",
            "Choose one of these, or another sampler.",
        )
    return sampler, chosen


def _find_sampler(name: str) -> tuple[Sampler, str]:
    """The sampler, and the schedule where the name is one of the older combined ones."""
    wanted = _ALIASES.get(name.casefold(), name).casefold()
    if wanted in _BY_NAME:
        return _BY_NAME[wanted], ""
    for schedule in SCHEDULES:
        base = wanted.removesuffix(" " + schedule.casefold())
        if base != wanted and base in _BY_NAME:
            return _BY_NAME[base], schedule
    raise _unknown("sampler", name, SAMPLERS)


def _find_schedule(name: str) -> str:
    for known in SCHEDULE_NAMES:
        if known.casefold() == name.casefold():
            return known
    raise _unknown("schedule", name, SCHEDULE_NAMES)


def _unknown(what: str, name: str, known: tuple[str, ...]) -> InputError:
    by_fold = {entry.casefold(): entry for entry in known}
    near = difflib.get_close_matches(name.casefold(), by_fold, n=3, cutoff=0.5)
    step = "Choose one of these."
    if near:
        step = "Did you mean " + " or ".join(f"'{by_fold[n]}'" for n in near) + "?"
    return InputError(f"{what} '{name}'", "unknown", f"one of {', '.join(known)}", step)


# What a checkpoint says of its noise; everything else of a scheduler is the sampler's business.
_NOISE_FACTS = (
    "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas",
    "prediction_type",
)


def make_scheduler(name: str, schedule: str, config: Mapping[str, Any], steps: int = 0) -> Any:
    """A diffusers scheduler that computes what the WebUI's sampler of that name does.

    `config` is the checkpoint's scheduler configuration: noise schedule and prediction type.
    """
    import diffusers

    sampler, chosen = resolve_sampler(name, schedule)
    cls = getattr(diffusers, sampler.scheduler)
    accepted = inspect.signature(cls.__init__).parameters
    options = {key: config[key] for key in _NOISE_FACTS if config.get(key) is not None}
    if sampler.walk is None:
        options |= {key: value for key, value in SCHEDULES[chosen].items() if key in accepted}
    options |= {key: value for key, value in sampler.options.items() if key in accepted}
    if config.get("rescale_betas_zero_snr"):
        options["rescale_betas_zero_snr"] = _zero_snr(sampler, "rescale_betas_zero_snr" in accepted)
    if sampler.name == "LCM":
        # Fewer than the steps that are asked for would be an error inside the scheduler.
        options["original_inference_steps"] = max(50, steps)
    if sampler.walk is not None:
        cls = type(sampler.scheduler, (Walking, cls), {"schedule": chosen, **sampler.walk})
    return cls(**options)


def _zero_snr(sampler: Sampler, accepted: bool) -> bool:
    if not accepted:
        raise InputError(
            f"sampler '{sampler.name}'", "cannot run a zero-terminal-SNR checkpoint",
            "a sampler that starts from pure noise", "Use Euler a, Euler, DPM++ 2M or DDIM.",
        )
    return True
