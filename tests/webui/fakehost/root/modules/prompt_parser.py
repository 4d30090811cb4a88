"""From prompts to conditionings by step; here all steps of a prompt are one, without emphasis."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import torch
from torch import Tensor

ScheduledPromptConditioning = namedtuple("ScheduledPromptConditioning", ["end_at_step", "cond"])


class ComposableScheduledPromptConditioning:
    """One of the prompts that AND joins, with its weight."""

    def __init__(self, schedules: list[Any], weight: float = 1.0) -> None:
        self.schedules, self.weight = schedules, weight


class MulticondLearnedConditioning:
    """`batch` has a list of composable prompts for each image."""

    def __init__(self, shape: tuple[int, ...], batch: list[list[Any]]) -> None:
        self.shape, self.batch = shape, batch


def get_learned_conditioning(model: Any, prompts: list[str], steps: int) -> list[list[Any]]:
    """[prompts][schedule]; equal prompts are encoded once and share their list."""
    known: dict[str, list[Any]] = {}
    found = []
    for prompt in prompts:
        if prompt not in known:
            cond = model.cond_stage_model([prompt])[0]
            known[prompt] = [ScheduledPromptConditioning(steps, cond)]
        found.append(known[prompt])
    return found


def get_multicond_prompt_list(prompts: list[str]) -> tuple[list[list[Any]], list[str], dict]:
    """Which of the flat list's prompts each image has, with weights."""
    flat: list[str] = []
    places: list[list[Any]] = []
    for prompt in prompts:
        parts = prompt.split(" AND ")
        places.append([(len(flat) + place, 1.0) for place in range(len(parts))])
        flat += parts
    return places, flat, {}


def get_multicond_learned_conditioning(model: Any, prompts: list[str], steps: int) -> Any:
    places, flat, _ = get_multicond_prompt_list(prompts)
    learned = get_learned_conditioning(model, flat, steps)
    batch = [[ComposableScheduledPromptConditioning(learned[place], weight)
              for place, weight in one] for one in places]
    return MulticondLearnedConditioning((len(prompts),), batch)


def reconstruct_cond_batch(c: list[list[Any]], step: int) -> Tensor:
    """[images, 16]"""
    return torch.stack([schedule[0].cond for schedule in c])


def reconstruct_multicond_batch(c: Any, step: int) -> tuple[list[list[Any]], Tensor]:
    """Per image (row, weight), and all rows [prompts, 16]."""
    rows: list[Tensor] = []
    places: list[list[Any]] = []
    for image in c.batch:
        places.append([(len(rows) + place, one.weight) for place, one in enumerate(image)])
        rows += [one.schedules[0].cond for one in image]
    return places, torch.stack(rows)
