"""CLIP's tokenizer from the project's own merges gives CLIP's own ids."""

from __future__ import annotations

import pytest

from standalone.tokenizer import END, START, byte_symbols, read_merges, vocabulary


def test_the_vocabulary_has_clips_49408_tokens_and_no_double() -> None:
    merges = read_merges()
    tokens = vocabulary(merges)
    assert len(merges) == 48894
    assert len(tokens) == 49408
    assert sorted(tokens.values()) == list(range(49408))
    assert (tokens[START], tokens[END]) == (49406, 49407)
    # Ids that CLIP's own tokenizer gives (its published vocabulary file).
    assert (tokens["!"], tokens["a</w>"], tokens["photo</w>"]) == (0, 320, 1125)


def test_every_byte_has_a_symbol_of_its_own() -> None:
    symbols = byte_symbols()
    assert len(set(symbols)) == 256
    assert not any(symbol.isspace() for symbol in symbols)


def test_every_merge_joins_tokens_that_are_already_there() -> None:
    known = {*byte_symbols(), *(symbol + "</w>" for symbol in byte_symbols())}
    for left, right in read_merges():
        assert left in known, left
        assert right in known, right
        known.add(left + right)


@pytest.mark.torch
@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("a photo of a cat", [320, 1125, 539, 320, 2368]),
        ("A  Photo of\na CAT", [320, 1125, 539, 320, 2368]),
        ("", []),
    ],
)
def test_known_texts_give_the_known_ids(text: str, ids: list[int]) -> None:
    pytest.importorskip("transformers")
    from standalone.tokenizer import clip_tokenizer

    assert clip_tokenizer()(text).input_ids == [49406, *ids, 49407]


@pytest.mark.torch
def test_the_second_encoder_of_sdxl_pads_with_token_zero() -> None:
    pytest.importorskip("transformers")
    from standalone.tokenizer import clip_tokenizer

    assert clip_tokenizer().pad_token_id == 49407
    assert clip_tokenizer("!").pad_token_id == 0
