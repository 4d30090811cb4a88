"""Prompts reach the UNet as in the WebUI: emphasis, chunks, clip skip, both encoders of SDXL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from loradex.errors import InputError  # noqa: E402

from standalone.checkpoint import load_checkpoint  # noqa: E402
from standalone.conditioning import (  # noqa: E402
    check_clip_skip,
    chunk_text,
    emphasise,
    encode_prompt,
    negative_conditioning,
)

pytestmark = pytest.mark.torch

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def toy(toy_folder: Path) -> Any:
    return load_checkpoint(str(toy_folder), CPU)


@pytest.fixture(scope="module")
def sdxl(ldm_folder: Path) -> Any:
    return load_checkpoint(str(ldm_folder / "sdxl.safetensors"), CPU)


def _tokens(encoder: Any, text: str) -> Any:
    """What transformers' own call gives for a short text."""
    return encoder.tokenizer(
        text, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids


def test_a_plain_prompt_is_the_text_encoders_own_answer(toy: Any) -> None:
    encoder = toy.text_encoders[0]
    with torch.no_grad():
        expected = encoder.model(_tokens(encoder, "a red circle")).last_hidden_state
    given = encode_prompt(toy, "a red circle")
    assert torch.equal(given.states, expected)
    assert given.pooled is None


def test_an_empty_prompt_is_one_chunk(toy: Any) -> None:
    assert encode_prompt(toy, "").states.shape == (1, 77, 32)


def test_a_long_prompt_becomes_chunks_side_by_side(toy: Any) -> None:
    long = encode_prompt(toy, "a " * 100)
    assert long.states.shape == (1, 154, 32)
    assert torch.equal(long.states[:, :77], encode_prompt(toy, "a " * 75).states)


def test_break_starts_a_new_chunk(toy: Any) -> None:
    both = encode_prompt(toy, "red BREAK blue").states
    assert torch.equal(both[:, :77], encode_prompt(toy, "red").states)
    assert torch.equal(both[:, 77:], encode_prompt(toy, "blue").states)


def test_a_mean_of_zero_is_no_reason_for_a_black_picture() -> None:
    states = torch.tensor([[[1.0, -1.0], [2.0, -2.0]]])
    strong = emphasise(states, [1.5, 1.0])
    torch.testing.assert_close(strong, torch.tensor([[[1.5, -1.5], [2.0, -2.0]]]))


def test_emphasis_scales_the_tokens_and_restores_the_mean(toy: Any) -> None:
    plain, strong = (encode_prompt(toy, text).states for text in ("red dot", "(red:1.5) dot"))
    weights = torch.ones(77)
    weights[1:4] = 1.5  # three letters after the start token
    weighted = plain * weights[None, :, None]
    torch.testing.assert_close(strong, weighted * (plain.mean() / weighted.mean()))
    torch.testing.assert_close(strong.mean(), plain.mean())


def test_weights_of_one_change_no_bit() -> None:
    states = torch.randn(1, 77, 8)
    assert emphasise(states, (1.0,) * 77) is states


def test_clip_skip_takes_an_earlier_layer_with_the_final_norm(toy: Any) -> None:
    encoder = toy.text_encoders[0]
    with torch.no_grad():
        answer = encoder.model(_tokens(encoder, "red"), output_hidden_states=True)
        assert len(answer.hidden_states) == 4  # the embeddings and three layers
        expected = encoder.trunk.final_layer_norm(answer.hidden_states[-2])
        torch.testing.assert_close(
            encoder.trunk.final_layer_norm(answer.hidden_states[-1]), answer.last_hidden_state)
    assert torch.equal(encode_prompt(toy, "red", clip_skip=2).states, expected)


def test_skipping_more_layers_than_there_are_is_refused(toy: Any, sdxl: Any) -> None:
    assert check_clip_skip(toy, 3) == ""
    with pytest.raises(InputError, match="at most 3"):
        check_clip_skip(toy, 4)
    assert "has no effect on SDXL" in check_clip_skip(sdxl, 2)


def test_sdxl_joins_the_last_layer_but_one_of_both_encoders(sdxl: Any) -> None:
    given = encode_prompt(sdxl, "a red circle")
    first, second = sdxl.text_encoders
    with torch.no_grad():
        one = first.model(_tokens(first, "a red circle"), output_hidden_states=True)
        two = second.model(_tokens(second, "a red circle"), output_hidden_states=True)
    expected = torch.cat([one.hidden_states[-2], two.hidden_states[-2]], dim=-1)
    assert torch.equal(given.states, expected)
    assert torch.equal(given.pooled, two.text_embeds)


def test_sdxl_pools_the_first_chunk_of_a_long_prompt(sdxl: Any) -> None:
    long = encode_prompt(sdxl, "red BREAK blue")
    assert long.states.shape == (1, 154, 192)
    assert torch.equal(long.pooled, encode_prompt(sdxl, "red").pooled)


def test_each_encoder_pads_with_its_own_token(sdxl: Any) -> None:
    chunks = [chunk_text(encoder, "cat")[0].tokens for encoder in sdxl.text_encoders]
    assert chunks[0][:4] == (49406, 2368, 49407, 49407)
    assert chunks[1][:4] == (49406, 2368, 49407, 0)


def test_an_empty_negative_prompt_is_encoded_unless_the_checkpoint_wants_zeros(sdxl: Any) -> None:
    from dataclasses import replace

    positive = encode_prompt(sdxl, "red")
    assert torch.equal(
        negative_conditioning(sdxl, "", 1, positive).states, encode_prompt(sdxl, "").states)
    zeros = negative_conditioning(replace(sdxl, zero_empty_negative=True), " ", 1, positive)
    assert not zeros.states.any()
    assert zeros.pooled is not None
    assert not zeros.pooled.any()
