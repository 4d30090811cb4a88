"""Teaches the text encoder what captions say, before the UNet has to listen to it.

The mean of its states is asked for the shapes, colours and sizes. Alone, the pair learns this
last: at nearly every noise level the colours can be read off the noisy picture, so that hardly
any gradient reaches the text encoder.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional
from transformers import CLIPTextModel, CLIPTokenizer

from standalone.demo.training.captions import spoken, tokenize
from standalone.demo.training.shapes import COLOURS, RADII, SHAPES, Scene, random_scene

BATCH = 64
COLOUR_NAMES, SIZE_NAMES = tuple(COLOURS), tuple(RADII)
CHOICES = (
    len(SHAPES),
    len(COLOUR_NAMES),
    len(SIZE_NAMES),
    len(SHAPES) + 1,
    len(COLOUR_NAMES) + 1,
    len(COLOUR_NAMES),
)


def answers(scene: Scene) -> list[int]:
    """One class for each of CHOICES: first shape, its colour and size, second one, background."""
    first, second = scene.items[0], scene.items[1:]
    return [
        SHAPES.index(first.shape),
        COLOUR_NAMES.index(first.colour),
        SIZE_NAMES.index(first.size),
        SHAPES.index(second[0].shape) if second else len(SHAPES),
        COLOUR_NAMES.index(second[0].colour) if second else len(COLOUR_NAMES),
        COLOUR_NAMES.index(scene.background),
    ]


def teach(
    text: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    steps: int,
    seed: int,
    rate: float = 2e-3,
    log: Callable[[str], None] = print,
) -> None:
    """Trains the text encoder in place; the questions are thrown away afterwards."""
    rng = random.Random(seed)  # noqa: S311 - pictures, not secrets
    questions = nn.Linear(text.config.hidden_size, sum(CHOICES))
    weights = [*text.parameters(), *questions.parameters()]
    optimizer = torch.optim.AdamW(weights, rate, betas=(0.9, 0.98), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps + 1)
    for step in range(steps):
        scenes = [random_scene(rng, pairs=0.3) for _ in range(BATCH)]
        tokens = tokenize(tokenizer, [spoken(scene, rng) for scene in scenes])
        given = questions(text(tokens).last_hidden_state.mean(dim=1)).split(CHOICES, dim=1)
        wanted = torch.tensor([answers(scene) for scene in scenes]).unbind(dim=1)
        loss = sum(
            (functional.cross_entropy(g, w) for g, w in zip(given, wanted, strict=True)),
            start=torch.zeros(()),
        )
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        if step % 25 == 0:
            log(f"text {step}/{steps} loss {loss.item():.4f}")
