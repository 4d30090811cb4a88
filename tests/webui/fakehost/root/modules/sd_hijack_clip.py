"""The WebUI's wrappers of text encoders: words to tokens to the conditioning."""

from __future__ import annotations

import re
import zlib
from typing import Any

import torch
from torch import Tensor, nn

from modules import devices


class EmbeddingsWithFixes(nn.Module):
    """Around a token embedding: puts the vectors of textual inversion in."""

    def __init__(self, wrapped: nn.Module, embeddings: Any, key: str = "clip_l") -> None:
        super().__init__()
        self.wrapped, self.embeddings, self.key = wrapped, embeddings, key

    def forward(self, input_ids: Tensor) -> Tensor:
        found = self.wrapped(input_ids)
        fixes, self.embeddings.fixes = self.embeddings.fixes, None
        for row, places in zip(found, fixes or [], strict=False):
            for offset, embedding in places:
                vec = embedding.vec[self.key] if isinstance(embedding.vec, dict) else embedding.vec
                row[offset:offset + len(vec)] = vec
        return torch.as_tensor(found)


class FrozenCLIPEmbedderWithCustomWordsBase(nn.Module):
    """Around an encoder; called with texts."""

    def __init__(self, wrapped: nn.Module, hijack: Any) -> None:
        super().__init__()
        self.wrapped, self.hijack = wrapped, hijack

    @property
    def token_embedding(self) -> Any:
        raise NotImplementedError

    def tokenize(self, texts: list[str]) -> list[list[int]]:
        """A word is a token below 60: the vocabulary of the small encoders has 64."""
        return [[zlib.crc32(word.encode()) % 60 for word in re.findall(r"\w+|[^\w\s]", text)]
                for text in texts]

    def encode_embedding_init_text(self, init_text: str, nvpt: int) -> Tensor:
        tokens = torch.tensor(self.tokenize([init_text])[0][:nvpt] or [0])
        return torch.as_tensor(self.token_embedding.wrapped(tokens))

    def forward(self, texts: list[str]) -> Tensor:
        """[texts] -> [texts, 16]"""
        lines = [self._with_embeddings(tokens) for tokens in self.tokenize(texts)]
        longest = max(len(tokens) for tokens, _ in lines)
        padded = [[61, *tokens, *[62] * (longest - len(tokens)), 62] for tokens, _ in lines]
        self.hijack.fixes = [fixes for _, fixes in lines]
        self._hashes([one for fixes in self.hijack.fixes for _, one in fixes])
        return torch.as_tensor(self.wrapped.encode_with_transformer(
            torch.tensor(padded, device=devices.device)))

    def _with_embeddings(self, tokens: list[int]) -> tuple[list[int], list[Any]]:
        """Tokens with place for embeddings, and (offset behind the start token, embedding)."""
        found: list[int] = []
        fixes = []
        position = 0
        while position < len(tokens):
            database = self.hijack.embedding_db
            embedding, length = database.find_embedding_at_position(tokens, position)
            if embedding is None:
                found.append(tokens[position])
                position += 1
                continue
            fixes.append((len(found) + 1, embedding))
            found += [0] * embedding.vectors
            position += length
        return found, fixes

    def _hashes(self, used: list[Any]) -> None:
        told = [f"{one.name}: {one.shorthash}" for one in used if one.shorthash]
        if told:
            self.hijack.extra_generation_params["TI hashes"] = ", ".join(told)


class FrozenCLIPEmbedderWithCustomWords(FrozenCLIPEmbedderWithCustomWordsBase):
    """Around Hugging Face's."""

    @property
    def token_embedding(self) -> Any:
        return self.wrapped.transformer.text_model.embeddings.token_embedding


class FrozenCLIPEmbedderForSDXLWithCustomWords(FrozenCLIPEmbedderWithCustomWords):
    """The same in SDXL."""


class FrozenOpenCLIPEmbedderWithCustomWords(FrozenCLIPEmbedderWithCustomWordsBase):
    """Around open_clip's."""

    @property
    def token_embedding(self) -> Any:
        return self.wrapped.model.token_embedding


class FrozenOpenCLIPEmbedder2WithCustomWords(FrozenOpenCLIPEmbedderWithCustomWords):
    """The same in SDXL."""
