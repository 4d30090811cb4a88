"""One part at a time on the device: with a CPU alone, a move is new memory for every weight."""

from __future__ import annotations

from typing import Any

from torch import nn

from modules import shared

_here: list[nn.Module] = []


def moved(module: nn.Module) -> None:
    """What `.to(device)` does to parameters: the object stays, its data lies elsewhere."""
    for parameter in module.parameters():
        parameter.data = parameter.data.clone()


def send_everything_to_cpu() -> None:
    while _here:
        moved(_here.pop())


def is_needed(sd_model: Any) -> bool:
    options = shared.cmd_opts
    return bool(options.lowvram or options.medvram
                or (options.medvram_sdxl and hasattr(sd_model, "conditioner")))


def is_enabled(sd_model: Any) -> bool:
    return bool(sd_model.lowvram)


def apply(sd_model: Any) -> None:
    if is_needed(sd_model):
        setup_for_low_vram(sd_model, not shared.cmd_opts.lowvram)
    else:
        sd_model.lowvram = False


def setup_for_low_vram(sd_model: Any, use_medvram: bool) -> None:
    if getattr(sd_model, "lowvram", False):
        return
    sd_model.lowvram = True
    for module, whole in _encoders(sd_model):
        _bring(module, whole)
    first_stage, unet = sd_model.first_stage_model, sd_model.model.diffusion_model
    _bring(first_stage, first_stage)
    if use_medvram:
        _bring(sd_model.model, sd_model.model)
        return
    for block in (unet.time_embed, *unet.input_blocks, unet.middle_block, *unet.output_blocks):
        _bring(block, block)


def _encoders(sd_model: Any) -> list[tuple[nn.Module, nn.Module]]:
    """(module whose forward brings it, what is brought)"""
    if hasattr(sd_model, "conditioner"):
        return [(sd_model.conditioner, sd_model.conditioner)]
    encoder = sd_model.cond_stage_model
    if hasattr(encoder, "model"):  # open_clip: the root's own forward is never called
        return [(encoder.model, encoder), (encoder.model.token_embedding, encoder)]
    return [(encoder.transformer, encoder)]


def _bring(module: nn.Module, whole: nn.Module) -> None:
    def before_forward(_module: nn.Module, _inputs: Any) -> None:
        if _here and _here[-1] is whole:
            return
        send_everything_to_cpu()
        moved(whole)
        _here.append(whole)

    module.register_forward_pre_hook(before_forward)
