"""Embeddings: vectors that take the place of a word's."""

from __future__ import annotations

from typing import Any

import torch

from modules import devices, hashes


class Embedding:
    """Vectors under a name."""

    def __init__(self, vec: Any, name: str, step: int | None = None) -> None:
        self.vec, self.name, self.step = vec, name, step
        self.shape: int | None = None
        self.vectors = 0
        self.filename: str | None = None
        self.hash: str | None = None
        self.shorthash: Any = None
        self.sd_checkpoint = self.sd_checkpoint_name = None

    def set_hash(self, value: str) -> None:
        self.hash, self.shorthash = value, value[:12]


class EmbeddingDatabase:
    """Which words stand for embeddings."""

    def __init__(self) -> None:
        self.ids_lookup: dict[int, list[tuple[list[int], Embedding]]] = {}
        self.word_embeddings: dict[str, Embedding] = {}
        self.skipped_embeddings: dict[str, Embedding] = {}
        self.expected_shape = -1

    def register_embedding(self, embedding: Embedding, model: Any) -> Any:
        return self.register_embedding_by_name(embedding, model, embedding.name)

    def register_embedding_by_name(
        self, embedding: Embedding | None, model: Any, name: str
    ) -> Embedding | None:
        """None in place of an embedding takes the name away."""
        ids = model.cond_stage_model.tokenize([name])[0]
        others = self.ids_lookup.get(ids[0], [])
        if name in self.word_embeddings:
            others = [one for one in others if one[1].name != name]
        if embedding is not None:
            others = [*others, (ids, embedding)]
        self.ids_lookup[ids[0]] = sorted(others, key=lambda one: len(one[0]), reverse=True)
        if embedding is None:
            self.word_embeddings.pop(name, None)
            if not self.ids_lookup[ids[0]]:
                del self.ids_lookup[ids[0]]
            return None
        self.word_embeddings[name] = embedding
        return embedding

    def load_textual_inversion_embeddings(self, force_reload: bool = False) -> None:
        """After a new model: what was registered is gone, and the width may be another."""
        from modules import shared

        if force_reload:
            self.ids_lookup.clear()
            self.word_embeddings.clear()
            self.skipped_embeddings.clear()
            text = shared.sd_model.cond_stage_model.encode_embedding_init_text(",", 1)
            self.expected_shape = text.shape[1]

    def find_embedding_at_position(self, tokens: list[int], offset: int) -> Any:
        for ids, embedding in self.ids_lookup.get(tokens[offset], []):
            if tokens[offset:offset + len(ids)] == ids:
                return embedding, len(ids)
        return None, None


def create_embedding_from_data(
    data: Any, name: str, filename: str = "unknown embedding file", filepath: str | None = None
) -> Embedding:
    if "string_to_param" in data:
        params = data["string_to_param"]
        assert len(params) == 1, "embedding file has multiple terms in it"
        embedding = _embedding(next(iter(params.values())), name)
    elif type(data) is dict and "clip_g" in data and "clip_l" in data:
        embedding = Embedding({key: _vector(value) for key, value in data.items()}, name)
        embedding.shape = data["clip_g"].shape[-1] + data["clip_l"].shape[-1]
        embedding.vectors = data["clip_g"].shape[0]
    elif type(data) is dict and type(next(iter(data.values()))) is torch.Tensor:
        assert len(data) == 1, "embedding file has multiple terms in it"
        only = next(iter(data.values()))
        embedding = _embedding(only.unsqueeze(0) if only.dim() == 1 else only, name)
    else:
        raise RuntimeError(f"Couldn't identify {filename} as neither textual inversion embedding "
                           "nor diffuser concept.")
    embedding.step = data.get("step", None)
    if filepath:
        embedding.filename = filepath
        embedding.set_hash(hashes.sha256(filepath, "textual_inversion/" + name) or "")
    return embedding


def _embedding(tensor: torch.Tensor, name: str) -> Embedding:
    """tensor: [vectors, width]"""
    embedding = Embedding(_vector(tensor), name)
    embedding.vectors, embedding.shape = tensor.shape[0], tensor.shape[-1]
    return embedding


def _vector(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().to(devices.device, dtype=torch.float32)
