"""From prompts to conditioning: here without schedules and without emphasis."""

from __future__ import annotations

from typing import Any


def get_learned_conditioning(model: Any, prompts: list[str], steps: int) -> Any:
    """[prompts] -> [prompts, 16]"""
    return model.cond_stage_model(list(prompts))


def get_multicond_learned_conditioning(model: Any, prompts: list[str], steps: int) -> Any:
    return model.cond_stage_model(list(prompts))
