"""Turns prompts into what the UNet attends to, with AUTOMATIC1111's emphasis and chunks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loradex.errors import InputError
from loradex.prompts.chunks import Chunk, SpecialTokens, chunk_prompt

from standalone.model import LoadedModel, TextEncoder
from standalone.placing import bring

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Conditioning:
    """states: [images, 77 * chunks, width]  pooled: [images, width] for SDXL, else None."""

    states: torch.Tensor
    pooled: torch.Tensor | None = None


def stacked(conditionings: Sequence[Conditioning]) -> Conditioning:
    """One for a batch, of conditionings of equal length."""
    import torch

    pooled = [one.pooled for one in conditionings if one.pooled is not None]
    return Conditioning(
        torch.cat([one.states for one in conditionings]), torch.cat(pooled) if pooled else None)


def encode_prompt(model: LoadedModel, text: str, clip_skip: int = 1) -> Conditioning:
    """Encode one prompt (without LoRA tags) with every text encoder of `model`."""
    import torch

    bring(model, "text")
    with torch.no_grad():
        results = [_encode_with(model, encoder, text, clip_skip)
                   for encoder in model.text_encoders]
    length = max(states.shape[1] for states, _ in results)
    states = torch.cat([_repeat_last(states, length) for states, _ in results], dim=-1)
    return Conditioning(states, results[-1][1] if model.family == "sdxl" else None)


def negative_conditioning(
    model: LoadedModel, text: str, clip_skip: int, positive: Conditioning
) -> Conditioning:
    """The negative prompt; all zeros where it is empty and the checkpoint was trained so."""
    import torch

    if model.zero_empty_negative and not text.strip():
        pooled = None if positive.pooled is None else torch.zeros_like(positive.pooled)
        return Conditioning(torch.zeros_like(positive.states), pooled)
    return encode_prompt(model, text, clip_skip)


def check_clip_skip(model: LoadedModel, clip_skip: int) -> str:
    """Refuse to skip more layers than there are; a note where clip skip has no meaning."""
    if clip_skip == 1:
        return ""
    if model.family != "sd1":
        return (f"Clip skip {clip_skip} has no effect on {model.title}: "
                "it always uses the last layer but one, as in the WebUI.")
    layers = model.text_encoders[0].layers
    if clip_skip > layers:
        raise InputError(
            "clip skip", f"{clip_skip}", f"at most {layers}, the text encoder's layers",
            f"Use {layers} or less.",
        )
    return ""


def chunk_text(encoder: TextEncoder, text: str) -> tuple[Chunk, ...]:
    """The 77-token chunks of `text` for one encoder's own tokenizer."""
    tokenizer = encoder.tokenizer

    def tokenize(part: str) -> list[int]:
        return list(tokenizer(part, truncation=False, add_special_tokens=False).input_ids)

    comma = tokenizer.convert_tokens_to_ids(",</w>")
    special = SpecialTokens(
        start=tokenizer.bos_token_id, end=tokenizer.eos_token_id, pad=tokenizer.pad_token_id,
        comma=-1 if comma == tokenizer.unk_token_id else comma,
    )
    return chunk_prompt(text, tokenize, special)


def _encode_with(
    model: LoadedModel, encoder: TextEncoder, text: str, clip_skip: int
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """All chunks of one encoder side by side: ([1, 77 * chunks, width], pooled of the first)."""
    import torch

    chunks = chunk_text(encoder, text)
    encoded = [_encode_chunk(model, encoder, chunk, clip_skip) for chunk in chunks]
    return torch.cat([states for states, _ in encoded], dim=1), encoded[0][1]


def _encode_chunk(
    model: LoadedModel, encoder: TextEncoder, chunk: Chunk, clip_skip: int
) -> tuple[torch.Tensor, torch.Tensor | None]:
    import torch

    tokens = torch.tensor([chunk.tokens], device=model.device)
    output = encoder.model(input_ids=tokens, output_hidden_states=True, return_dict=True)
    states = _pick_layer(model.family, encoder, output, clip_skip)
    return emphasise(states, chunk.multipliers), getattr(output, "text_embeds", None)


def _pick_layer(
    family: str, encoder: TextEncoder, output: Any, clip_skip: int
) -> torch.Tensor:
    """The hidden states that the family's UNet was trained on.

    SD 1.x: the last layer, or the n-th from the end with clip skip n, always with the final norm.
    SD 2.x: its configurations leave the last layer out, so the last one is the right one.
    SDXL: the last layer but one of both encoders, without the final norm.
    """
    layers: Sequence[torch.Tensor] = output.hidden_states
    if family == "sdxl":
        return layers[-2]
    if family == "sd2" or clip_skip == 1:
        states: torch.Tensor = output.last_hidden_state
        return states
    normed: torch.Tensor = encoder.trunk.final_layer_norm(layers[-clip_skip])
    return normed


def emphasise(states: torch.Tensor, multipliers: Sequence[float]) -> torch.Tensor:
    """Multiply each token's states by its weight and restore the mean ("Original" emphasis).

    states: [1, tokens, width]  multipliers: [tokens]
    """
    import torch

    if all(multiplier == 1.0 for multiplier in multipliers):
        return states
    weights = torch.tensor(multipliers, device=states.device, dtype=states.dtype)
    weighted = states * weights[None, :, None]
    ratio = states.mean() / weighted.mean()
    # A mean of zero cannot be restored; the WebUI's picture is then black.
    return weighted * ratio if bool(torch.isfinite(ratio)) else weighted


def _repeat_last(states: torch.Tensor, length: int) -> torch.Tensor:
    """Both SDXL encoders cut a prompt into equally many chunks; a foreign tokenizer may not."""
    import torch

    missing = (length - states.shape[1]) // 77
    return states if missing <= 0 else torch.cat([states, *[states[:, -77:]] * missing], dim=1)
