"""The noise levels that the WebUI's samplers walk down, and the timesteps that go with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

RHO = 7.0
"""The exponent of Karras et al. 2022, equation 5; the WebUI's default too."""


class NoiseLevels:
    """What a checkpoint was trained on: one sigma a timestep, rising.

    Between two timesteps the logarithm of sigma is taken as straight, in both directions, as
    k-diffusion does (`DiscreteSchedule`); diffusers rounds timesteps or interpolates sigma itself.
    """

    def __init__(self, alphas_cumprod: torch.Tensor) -> None:
        """alphas_cumprod: [timesteps]"""
        self.sigmas = ((1 - alphas_cumprod) / alphas_cumprod).cpu().double().sqrt()
        self._logs = self.sigmas.log()

    def sigma(self, timesteps: torch.Tensor) -> torch.Tensor:
        """timesteps: [n], whole or not."""
        low = timesteps.floor().long()
        high = timesteps.ceil().long()
        part = timesteps - low
        return ((1 - part) * self._logs[low] + part * self._logs[high]).exp()

    def timestep(self, sigmas: torch.Tensor) -> torch.Tensor:
        """sigmas: [n], above 0; held to the first and last timestep outside of the training."""
        import torch

        wanted = sigmas.double().log()
        high = torch.searchsorted(self._logs, wanted).clamp(1, len(self._logs) - 1)
        low = high - 1
        part = (wanted - self._logs[low]) / (self._logs[high] - self._logs[low])
        return low + part.clamp(0, 1)

    def walk(self, schedule: str, steps: int) -> torch.Tensor:
        """The sigmas of `steps` steps, from the largest down; [steps], without the final 0."""
        first, last = self.sigmas[-1], self.sigmas[0]
        top = len(self.sigmas) - 1
        if schedule == "Karras":
            ends = first ** (1 / RHO), last ** (1 / RHO)
            return (ends[0] + _ramp(steps) * (ends[1] - ends[0])) ** RHO
        if schedule == "Exponential":
            return (first.log() + _ramp(steps) * (last.log() - first.log())).exp()
        if schedule == "SGM Uniform":
            return self.sigma(top * (1 - _ramp(steps + 1)[:-1]))
        if schedule == "Simple":
            return self.sigmas[[top - number * (top + 1) // steps for number in range(steps)]]
        assert schedule == "Uniform", schedule
        return self.sigma(top * (1 - _ramp(steps)))


def _ramp(steps: int) -> torch.Tensor:
    """From 0 to 1; [steps]"""
    import torch

    return torch.linspace(0, 1, steps, dtype=torch.float64)


class Walking:
    """Put before a diffusers scheduler: its formulas, on the WebUI's noise levels.

    `repeats` is how often the UNet is asked for each level but the first.
    """

    schedule = "Uniform"
    drop_last = False
    """Leave the smallest sigma out of a walk one longer (`discard_next_to_last_sigma`)."""
    unit_variance = False
    """The scheduler keeps latents at variance 1, where the WebUI keeps them at 1 + sigma^2."""
    repeats = 1

    def set_timesteps(
        self: Any, steps: int, device: torch.device | str | None = None, *others: Any
    ) -> None:
        import torch

        super().set_timesteps(steps, device, *others)  # type: ignore[misc]
        levels = NoiseLevels(self.alphas_cumprod)
        sigmas = levels.walk(self.schedule, steps + self.drop_last)[:steps]
        timesteps = levels.timestep(sigmas)
        repeated = [torch.cat([row[:1], row[1:].repeat_interleave(self.repeats)])
                    for row in (sigmas, timesteps)]
        self.sigmas = torch.cat([repeated[0], sigmas.new_zeros(1)]).float()
        self.timesteps = repeated[1].float().to(device)
        # Two levels may round to one timestep, so the place is counted and not looked up.
        self.set_begin_index(0)
        if self.unit_variance:
            # The WebUI starts from noise * sigma, not from noise * (1 + sigma^2)^(1/2).
            self.init_noise_sigma = float(sigmas[0] / (1 + sigmas[0] ** 2).sqrt())
