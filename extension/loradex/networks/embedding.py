"""Embeddings: PEFT's low-rank change of an embedding table, and vectors bundled with a network."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from loradex.networks.base import NetworkModule, f32, owned
from loradex.networks.parts import ModuleHints, Parts, Shape, is_finite, show


@dataclass(frozen=True, eq=False)
class LoraEmbeddingModule(NetworkModule):
    """delta [tokens, width] = scale * a^T @ b^T with a [r, tokens] and b [width, r]."""

    type_name = "embedding"

    a: Tensor
    b: Tensor
    scale: float

    @classmethod
    def claims(cls, tensors: Mapping[str, Tensor]) -> bool:
        return not {"embedding_a", "embedding_b"}.isdisjoint(tensors)

    @classmethod
    def build(cls, parts: Parts) -> LoraEmbeddingModule:
        a, b = parts.of_rank("embedding_a", 2), parts.of_rank("embedding_b", 2)
        if a.shape[0] != b.shape[1]:
            raise parts.hints.broken(
                f"'embedding_a' is {show(a.shape)} and 'embedding_b' is {show(b.shape)}",
                "one rank in both",
            )
        return cls(a, b, parts.scale(a.shape[0]), hints=parts.hints)

    @property
    def shape(self) -> Shape:
        return (self.a.shape[1], self.b.shape[0])

    def factors(self, dyn_dim: int | None = None) -> tuple[Tensor, Tensor]:
        up, down = owned(self.a.t()), owned(self.b.t())
        (up if up.numel() <= down.numel() else down).mul_(self.scale)
        return up, down

    def delta(self, weight: Tensor, dyn_dim: int | None = None) -> Tensor:
        self.check_fits(weight)
        return f32(self.a, weight).t() @ (f32(self.b, weight).t() * self.scale)

    def rows(self, start: int, stop: int) -> LoraEmbeddingModule:
        self.check_rows(start, stop, self.a.shape[1])
        return dataclasses.replace(self, a=self.a[:, start:stop])


@dataclass(frozen=True, eq=False)
class BundledEmbedding:
    """A textual inversion inside a network file: [tokens, width] per text encoder.

    `vectors` is keyed as the file names the encoder (`clip_l`, `clip_g`), "" where it has one.
    """

    name: str
    vectors: Mapping[str, Tensor]


def bundled_embedding(
    name: str, tensors: Mapping[str, Tensor], hints: ModuleHints
) -> BundledEmbedding:
    """The embedding of tensors keyed by what follows its name (`string_to_param.*`, `clip_l`)."""
    vectors = {}
    for key, tensor in tensors.items():
        encoder = "" if key.startswith("string_to_param") else key.rpartition(".")[2]
        vector = tensor.reshape(1, -1) if tensor.dim() == 1 else tensor
        if vector.dim() != 2 or vector.numel() == 0 or not is_finite(vector):
            raise hints.broken(f"the embedding '{name}' is {show(tensor.shape)}", "finite vectors")
        vectors[encoder] = vector.detach()
    return BundledEmbedding(name, vectors)
