"""What the Generate tab's form says: a request out of its values, and answers to its controls."""

from __future__ import annotations

from typing import Any

import gradio as gr
from loradex.errors import InputError, PromptError

from standalone.comparison import read_variants
from standalone.records import DEMO, GenerationRequest, GenerationResult
from standalone.ui import choices, panels
from standalone.ui.prompt import change_tag, next_change


def request_of(values: tuple[Any, ...]) -> GenerationRequest:
    """The form's values in the order of `GenerationRequest`.

    Raises:
        InputError: a number was deleted and nothing put in its place, or what is to be compared
            is no LoRA.
        PromptError: a tag of what is to be compared cannot be read.
    """
    (prompt, negative, checkpoint, sampler, schedule, steps, cfg, width, height, seed, batch,
     clip_skip, strict, compared) = values
    lines = [line.strip() for line in (compared or "").splitlines() if line.strip()]
    return GenerationRequest(
        prompt or "", negative or "", (checkpoint or DEMO).strip(), sampler, schedule,
        _whole("steps", steps), float(_number("CFG scale", cfg)), _whole("width", width),
        _whole("height", height), -1 if seed is None else int(seed),
        _whole("batch count", batch), _whole("CLIP skip", clip_skip), bool(strict),
        read_variants(lines, baseline=True) if lines else (),
    )


def _whole(name: str, value: float | None) -> int:
    return int(_number(name, value))


def _number(name: str, value: float | None) -> float:
    if value is None:
        raise InputError(name, "empty", "a number", "Fill it in.")
    return value


def change_prompt(prompt: str, network: str | None, strength: float) -> tuple[Any, Any]:
    if not network:
        return gr.skip(), gr.skip()
    try:
        changed = change_tag(prompt, network, strength)
    except PromptError as error:
        gr.Warning(str(error))
        return gr.skip(), gr.skip()
    return changed, next_change(changed, network, strength)


def name_button(prompt: str, network: str | None, strength: float) -> str:
    return next_change(prompt, network or "", strength)


def follow_sampler(sampler: str, schedule: str) -> Any:
    allowed = choices.schedule_choices(sampler)
    kept = schedule if schedule in allowed else allowed[0]
    return gr.update(choices=allowed, value=kept)


def last_seed(result: GenerationResult | None, chosen: int, seed: int) -> int:
    return result.images[chosen].seed if result is not None else seed


def choose(result: GenerationResult | None, event: gr.SelectData) -> tuple[Any, ...]:
    """Another picture of the batch was clicked."""
    if result is None:
        return gr.skip(), gr.skip(), gr.skip()
    if event.index >= len(result.images):  # the sheet, behind the pictures that it holds
        return gr.skip(), gr.skip(), gr.skip()
    image = result.images[event.index]
    return event.index, panels.saved(image, result.seconds), image.infotext
