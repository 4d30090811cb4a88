"""Putting the WebUI's wrappers into a loaded checkpoint and taking them out again."""

from __future__ import annotations

from typing import Any

from modules import sd_hijack_clip
from modules.sd_hijack_clip import EmbeddingsWithFixes
from modules.textual_inversion.textual_inversion import EmbeddingDatabase

_WRAPPERS = {
    "FrozenCLIPEmbedder": sd_hijack_clip.FrozenCLIPEmbedderWithCustomWords,
    "FrozenOpenCLIPEmbedder": sd_hijack_clip.FrozenOpenCLIPEmbedderWithCustomWords,
}
_SDXL = {
    "FrozenCLIPEmbedder": sd_hijack_clip.FrozenCLIPEmbedderForSDXLWithCustomWords,
    "FrozenOpenCLIPEmbedder2": sd_hijack_clip.FrozenOpenCLIPEmbedder2WithCustomWords,
}


class StableDiffusionModelHijack:
    """The only one of its kind is `model_hijack`."""

    def __init__(self) -> None:
        self.fixes: Any = None
        self.comments: list[str] = []
        self.extra_generation_params: dict[str, Any] = {}
        self.embedding_db = EmbeddingDatabase()

    def clear_comments(self) -> None:
        self.comments = []
        self.extra_generation_params = {}

    def hijack(self, m: Any) -> None:
        if not hasattr(m, "conditioner"):
            m.cond_stage_model = self._wrapped(m.cond_stage_model, _WRAPPERS, "clip_l")
            return
        embedders = m.conditioner.embedders
        for index, embedder in enumerate(embedders):
            key = "clip_g" if hasattr(embedder, "model") else "clip_l"
            embedders[index] = self._wrapped(embedder, _SDXL, key)
        if len(embedders) == 1:
            m.cond_stage_model = embedders[0]
        else:
            m.cond_stage_model = m.conditioner
            m.conditioner.tokenize = embedders[0].tokenize
            m.conditioner.encode_embedding_init_text = embedders[0].encode_embedding_init_text

    def _wrapped(self, embedder: Any, wrappers: Any, key: str) -> Any:
        wrapper = wrappers[type(embedder).__name__](embedder, self)
        parent = _embedding_parent(embedder)
        parent.token_embedding = EmbeddingsWithFixes(parent.token_embedding, self, key)
        return wrapper

    def undo_hijack(self, m: Any) -> None:
        if hasattr(m, "conditioner"):
            del m.cond_stage_model
            for index, wrapper in enumerate(m.conditioner.embedders):
                m.conditioner.embedders[index] = _unwrapped(wrapper)
        else:
            m.cond_stage_model = _unwrapped(m.cond_stage_model)


def _unwrapped(wrapper: Any) -> Any:
    parent = _embedding_parent(wrapper.wrapped)
    parent.token_embedding = parent.token_embedding.wrapped
    return wrapper.wrapped


def _embedding_parent(embedder: Any) -> Any:
    if hasattr(embedder, "model"):
        return embedder.model
    return embedder.transformer.text_model.embeddings


model_hijack = StableDiffusionModelHijack()
