"""Trains the toy UNet and text encoder together on freshly drawn pictures."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from standalone.demo.training.captions import LENGTH, NOISE, TAUGHT, spoken, tokenize
from standalone.demo.training.listener import teach
from standalone.demo.training.shapes import draw_scene, jitter_tints, random_scene
from standalone.demo.training.vae import SCALING, block_latents, cosine, to_tensor

BATCH = 16
WIDTH = 64
EMPTY_CAPTIONS = 0.1
EMA = 0.99
TINT = 0.03
Batch = tuple[torch.Tensor, torch.Tensor]


def new_unet() -> UNet2DConditionModel:
    """Stable Diffusion's UNet with two levels of 64 and 128 channels."""
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        block_out_channels=(64, 128),
        layers_per_block=1,
        # No attention at 16 x 16: it doubles the time of a step and the pictures do not need it.
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def new_text_encoder(vocabulary: int) -> CLIPTextModel:
    """Stable Diffusion's text encoder with three layers of 64 channels."""
    config = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=LENGTH,
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
        pad_token_id=vocabulary - 1,
    )
    return CLIPTextModel(config)


def new_scheduler() -> DDIMScheduler:
    """Stable Diffusion's schedule with more noise at its end, for velocity prediction.

    Half of a flat picture is one colour. With the usual end (beta 0.012) its mean can be read off
    the noisy picture at every time, and the model never learns to listen to the caption.
    """
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.022,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="v_prediction",
    )


def drawn_batches(tokenizer: CLIPTokenizer, steps: int, seed: int) -> Iterator[Batch]:
    """Unscaled latents and token numbers of fresh pictures."""
    rng = random.Random(seed)  # noqa: S311 - pictures, not secrets
    for _ in range(steps):
        scenes = [random_scene(rng) for _ in range(BATCH)]
        pictures = [draw_scene(scene, jitter_tints(rng, TINT)) for scene in scenes]
        texts = ["" if rng.random() < EMPTY_CAPTIONS else spoken(scene, rng) for scene in scenes]
        yield block_latents(to_tensor(pictures)), tokenize(tokenizer, texts)


class Noiser:
    """Adds noise at random times and measures the error of the predicted velocity."""

    def __init__(self, seed: int) -> None:
        self._alphas = new_scheduler().alphas_cumprod
        self._generator = torch.Generator().manual_seed(seed)

    def loss(
        self, predict: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], latents: torch.Tensor
    ) -> torch.Tensor:
        """`predict(noisy, times)` gives the velocity; the mean squared error."""
        clean = latents * SCALING
        count = len(clean)
        # One time from each of `count` equal slices: less noise in the loss than free draws.
        spread = (torch.arange(count) + torch.rand(count, generator=self._generator)) / count
        times = (spread * 1000).long().clamp(max=999)
        noise = torch.randn(clean.shape, generator=self._generator)
        alpha = self._alphas[times][:, None, None, None]
        noisy = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise
        velocity = alpha.sqrt() * noise - (1 - alpha).sqrt() * clean
        loss: torch.Tensor = (predict(noisy, times).float() - velocity).square().mean()
        return loss


class Average:
    """An exponential moving average of weights."""

    def __init__(self, modules: dict[str, nn.Module]) -> None:
        self._modules = modules
        self._kept = {n: _copy(m) for n, m in modules.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        decay = min(EMA, (1 + step) / (10 + step))
        for name, module in self._modules.items():
            for kept, live in zip(
                self._kept[name].values(), module.state_dict().values(), strict=True
            ):
                if kept.is_floating_point():
                    kept.lerp_(live, 1 - decay)

    def state(self, name: str) -> dict[str, torch.Tensor]:
        return self._kept[name]


def _copy(module: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.detach().clone() for key, value in module.state_dict().items()}


@dataclass(frozen=True)
class Stage:
    """A part of the training; each starts from the averaged weights of the one before.

    The rate falls as half a cosine that ends with the stage.
    """

    seed: int
    steps: int
    rate: float

    def shortened(self, divisor: int) -> Stage:
        """The same with fewer steps, for a trial run."""
        return replace(self, steps=self.steps // divisor)


STAGES = (Stage(6, 1500, 1.2e-3), Stage(8, 1500, 8e-4), Stage(9, 1500, 8e-4))
FIRST_SEED, LESSONS = 7, 300


def train_denoiser(
    tokenizer: CLIPTokenizer, shrink: int = 1, log: Callable[[str], None] = print
) -> tuple[UNet2DConditionModel, CLIPTextModel]:
    """The trained pair with averaged weights, in evaluation mode; `shrink` divides the steps.

    The text encoder is taught alone first, then both learn together.
    """
    torch.manual_seed(FIRST_SEED)
    text = new_text_encoder(len(tokenizer)).train()
    teach(text, tokenizer, LESSONS // shrink, FIRST_SEED, log=log)
    torch.manual_seed(FIRST_SEED)
    unet = new_unet().train()
    for stage in STAGES:
        train_stage(stage.shortened(shrink), unet, text, tokenizer, log=log)
    quieten(text, tokenizer)
    return unet.eval(), text.eval()


@torch.no_grad()
def quieten(text: CLIPTextModel, tokenizer: CLIPTokenizer) -> None:
    """Makes words that were never taught sound like those that were taught to mean nothing.

    Untouched, their random embeddings throw the colours off. Half of each is kept, so that a
    network can still tell its trigger word from another.
    """
    table = text.get_input_embeddings().weight
    numbers = {word: tokenizer.convert_tokens_to_ids(f"{word}</w>") for word in TAUGHT}
    nothing = table[[numbers[word] for word in NOISE]].mean(dim=0)
    taught = {*numbers.values(), tokenizer.bos_token_id, tokenizer.eos_token_id}
    untaught = [number for number in range(len(tokenizer)) if number not in taught]
    table[untaught] = nothing + table[untaught] / 2


def train_stage(
    stage: Stage,
    unet: UNet2DConditionModel,
    text: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    log: Callable[[str], None] = print,
) -> None:
    """Trains the pair in place and leaves the averaged weights in it."""
    average = Average({"unet": unet, "text_encoder": text})
    weights: list[Any] = [*unet.parameters(), *text.parameters()]
    optimizer = torch.optim.AdamW(
        weights, stage.rate, betas=(0.9, 0.99), weight_decay=1e-3, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: cosine(step, stage.steps, 60)
    )
    noiser = Noiser(stage.seed)
    for step, (latents, tokens) in enumerate(drawn_batches(tokenizer, stage.steps, stage.seed)):

        def predict(noisy: torch.Tensor, times: torch.Tensor, ids: torch.Tensor = tokens) -> Any:
            with torch.autocast("cpu", torch.bfloat16):
                return unet(noisy, times, text(ids).last_hidden_state).sample

        loss = noiser.loss(predict, latents)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        average.update(step)
        if step % 25 == 0:
            log(f"denoiser {step}/{stage.steps} loss {loss.item():.4f}")
    unet.load_state_dict(average.state("unet"))
    text.load_state_dict(average.state("text_encoder"))


def load_tokenizer(folder: Path) -> CLIPTokenizer:
    """The tokenizer that `write_tokenizer` wrote."""
    return CLIPTokenizer.from_pretrained(str(folder))
