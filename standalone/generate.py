"""The sampling loop: noise to picture on a loaded model."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loradex.errors import CancelledError, LoradexError

from standalone.conditioning import Conditioning
from standalone.model import LoadedModel
from standalone.placing import bring, bring_alone
from standalone.samplers import make_scheduler

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image


TILE = 512
"""Pixels of a tile's side, where a picture cannot be decoded whole."""


@dataclass(frozen=True)
class Sampling:
    """What the pictures of one batch are made from; sizes in pixels.

    Their number is that of the conditionings' rows: one prompt each, all with the same noise.
    """

    positive: Conditioning
    negative: Conditioning | None
    sampler: str
    schedule: str
    steps: int
    cfg_scale: float
    width: int
    height: int
    seed: int


StepCallback = Callable[[int, Any], None]
"""Called after each step with the number of finished steps and the latents so far."""

Move = Callable[[int, int], None]
"""Called before each step, from 0, with their number: makes the networks those of the step."""


def check_cancelled(cancelled: threading.Event | None) -> None:
    if cancelled is not None and cancelled.is_set():
        raise CancelledError("generation", "stopped by the user")


def initial_noise(
    model: LoadedModel, sampling: Sampling
) -> tuple[torch.Tensor, list[torch.Generator]]:
    """Unit noise [images, channels, h, w], and for each image the generator that serves its steps.

    Drawn on the CPU in fp32 whatever the device, so that a seed means the same picture on every
    machine (the WebUI's "CPU" random number source).
    """
    import torch

    images = sampling.positive.states.shape[0]
    generators = [torch.Generator("cpu").manual_seed(sampling.seed) for _ in range(images)]
    factor = model.vae_factor
    shape = (1, model.unet.config.in_channels, sampling.height // factor,
             sampling.width // factor)
    return torch.cat([torch.randn(shape, generator=one) for one in generators]), generators


def sample_latents(
    model: LoadedModel,
    sampling: Sampling,
    on_step: StepCallback | None = None,
    cancelled: threading.Event | None = None,
    move: Move | None = None,
) -> torch.Tensor:
    """Run all steps; latents [images, channels, h, w] in fp32 on the model's device."""
    import torch

    scheduler = make_scheduler(
        sampling.sampler, sampling.schedule, model.scheduler, sampling.steps)
    scheduler.set_timesteps(sampling.steps, device=model.device)
    noise, generators = initial_noise(model, sampling)
    latents = noise.to(model.device) * scheduler.init_noise_sigma
    extra = {"generator": generators} if _takes_generator(scheduler) else {}
    total = len(scheduler.timesteps)
    bring(model, "unet")
    with torch.no_grad():
        for number, timestep in enumerate(scheduler.timesteps, start=1):
            check_cancelled(cancelled)
            if move is not None:
                # Second-order samplers call the UNet about twice a step.
                move((number - 1) * sampling.steps // total, sampling.steps)
            scaled = scheduler.scale_model_input(latents, timestep)
            noise_prediction = _guided(model, sampling, scaled, timestep)
            latents = scheduler.step(
                noise_prediction, timestep, latents, return_dict=False, **extra)[0]
            if on_step is not None:
                on_step(number * sampling.steps // total, latents)
    check_cancelled(cancelled)
    finished: torch.Tensor = latents.float()
    return finished


def _takes_generator(scheduler: Any) -> bool:
    import inspect

    return "generator" in inspect.signature(scheduler.step).parameters


def _guided(
    model: LoadedModel, sampling: Sampling, scaled: torch.Tensor, timestep: torch.Tensor
) -> torch.Tensor:
    """The UNet's answer with classifier-free guidance, in fp32.

    Both prompts go through in one batch where they are equally long, else one after another: the
    WebUI does not pad the shorter one either.
    """
    positive, negative = sampling.positive, sampling.negative
    if negative is None:
        return _predict(model, sampling, scaled, timestep, [positive])
    if positive.states.shape == negative.states.shape:
        both = _predict(model, sampling, scaled, timestep, [negative, positive])
        without, with_prompt = both.chunk(2)
    else:
        without = _predict(model, sampling, scaled, timestep, [negative])
        with_prompt = _predict(model, sampling, scaled, timestep, [positive])
    return without + sampling.cfg_scale * (with_prompt - without)


def _predict(
    model: LoadedModel, sampling: Sampling, scaled: torch.Tensor, timestep: torch.Tensor,
    conditionings: list[Conditioning],
) -> torch.Tensor:
    import torch

    count = len(conditionings)
    images = scaled.shape[0]
    states = torch.cat([c.states for c in conditionings]).to(model.dtype)
    added: dict[str, torch.Tensor] | None = None
    if model.family == "sdxl":
        # Original size, crop corner and target size: SDXL's micro-conditioning, uncropped.
        size = [sampling.height, sampling.width]
        ids = torch.tensor([[*size, 0, 0, *size]] * count * images, device=model.device)
        pooled = [c.pooled for c in conditionings if c.pooled is not None]
        added = {"text_embeds": torch.cat(pooled).to(model.dtype),
                 "time_ids": ids.to(model.dtype)}
    batch = scaled.repeat(count, 1, 1, 1).to(model.dtype)
    answer: torch.Tensor = model.unet(
        batch, timestep, encoder_hidden_states=states, added_cond_kwargs=added,
        return_dict=False)[0]
    return answer.float()


def decode_latents(model: LoadedModel, latents: torch.Tensor) -> Image:
    """The finished picture.

    Raises:
        LoradexError: the picture is not a number anywhere; the weights or the format are at fault.
    """
    import torch

    config = model.vae.config
    with torch.no_grad():
        scaled = latents / config.scaling_factor
        if getattr(config, "shift_factor", None):
            scaled = scaled + config.shift_factor
        pixels = _decoded(model, scaled.to(model.vae.dtype))
    if not bool(torch.isfinite(pixels).all()):
        raise LoradexError(
            "generation", "the picture is not a number (NaN)", "finite values",
            "Try --dtype fp32, and without LoRAs to see which one causes it.", code="nan",
        )
    return to_image(pixels)


def _decoded(model: LoadedModel, latents: torch.Tensor) -> torch.Tensor:
    """Pixels [1, 3, h, w]; in tiles, with the card to itself, where it has no room for them whole.

    A VAE in fp32 takes more than the UNet at the same size.
    """
    import torch

    bring(model, "vae")
    try:
        whole: torch.Tensor = model.vae.decode(latents, return_dict=False)[0]
        return whole
    except torch.cuda.OutOfMemoryError:
        if model.vae.use_tiling:
            raise
    model.take_turns = True
    bring_alone(model, "vae")
    use_tiles(model.vae)
    model.notes = (*model.notes, f"{model.device} has no room to decode a picture whole, so it is "
                                 f"decoded in tiles of {TILE} pixels.")
    tiled: torch.Tensor = model.vae.decode(latents, return_dict=False)[0]
    return tiled


def use_tiles(vae: Any) -> None:
    """Small ones whatever the VAE's own size is: SDXL's would begin above 1024 pixels."""
    vae.enable_tiling()
    vae.tile_sample_min_size = TILE
    vae.tile_latent_min_size = TILE // 2 ** (len(vae.config.block_out_channels) - 1)


def to_image(pixels: torch.Tensor) -> Image:
    """pixels: [1, 3, h, w] from -1 to 1."""
    from PIL import Image as Pillow

    scaled = (pixels[0].float() / 2 + 0.5).clamp(0, 1) * 255
    # The WebUI cuts the fraction off too.
    array = scaled.permute(1, 2, 0).cpu().numpy().astype("uint8")
    return Pillow.fromarray(array)
