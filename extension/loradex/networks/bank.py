"""The factors of all networks on one layer, side by side: any number of networks is two products.

`up` [out, R] and `down` [R, in * kernel] are joined along the rank, and a strength per image and
network is a factor of R numbers between them. Networks that have no factors are not in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from loradex.keys.targets import Shape
from loradex.networks.edits import Edit, Key
from loradex.networks.recipe import Recipe, Step

Term = tuple[Edit, int | None]
"""What of a step does not depend on its strength."""


@dataclass(frozen=True, eq=False)
class Bank:
    """up [out, R] and down [R, in * kernel] in one dtype on one device; `ranks` sum up to R.

    A term without factors has rank 0: it is not in here.
    """

    up: Tensor
    down: Tensor
    ranks: tuple[int, ...]

    def left_out(self, recipe: Recipe, terms: Sequence[Term]) -> tuple[Step, ...]:
        """The steps of a recipe that are not in the bank of these terms."""
        missing = {(edit.key, _rank(dyn))
                   for (edit, dyn), rank in zip(terms, self.ranks, strict=True) if not rank}
        return tuple(step for step in recipe.steps if _key(step) in missing)

    def scaled_up(self, strengths: Sequence[float]) -> Tensor:
        """up with a strength per term folded in; itself where all are 1."""
        if all(strength == 1.0 for strength in strengths):
            return self.up
        scale = self._spread(torch.tensor([list(strengths)], dtype=torch.float32))
        return (self.up * scale).to(self.up.dtype)

    def scales(self, strengths: Sequence[Sequence[float]]) -> Tensor:
        """[images, R] in fp32, from strengths [images][terms]."""
        return self._spread(torch.tensor([list(row) for row in strengths], dtype=torch.float32))

    def _spread(self, strengths: Tensor) -> Tensor:
        counts = torch.tensor(self.ranks)
        return strengths.repeat_interleave(counts, dim=1).to(self.up.device)


def terms_of(recipes: Sequence[Recipe | None]) -> tuple[Term, ...]:
    """The terms of all images' recipes, each once, in the order of their keys."""
    found: dict[tuple[Key, int], Term] = {}
    for recipe in recipes:
        for step in recipe.steps if recipe is not None else ():
            found.setdefault(_key(step), (step.edit, step.dyn_dim))
    return tuple(found[key] for key in sorted(found))


def strengths_of(recipes: Sequence[Recipe | None], terms: Sequence[Term]) -> list[list[float]]:
    """[images][terms]: 0 where an image does not have the network."""
    rows: list[list[float]] = []
    for recipe in recipes:
        own = {_key(step): step.strength for step in (recipe.steps if recipe else ())}
        rows.append([own.get((edit.key, _rank(dyn)), 0.0) for edit, dyn in terms])
    return rows


def make_bank(
    terms: Sequence[Term], shape: Shape, like: Tensor, *, factored: bool = True
) -> Bank:
    """The bank of these terms on a weight of `shape`, in dtype and device of `like`.

    Made in fp32, rounded once. Without `factored` no term is in it.
    """
    ups: list[Tensor] = [torch.zeros(shape[0], 0)]
    downs: list[Tensor] = [torch.zeros(0, math.prod(shape[1:]))]
    ranks: list[int] = []
    for edit, dyn_dim in terms:
        pair = edit.codec.factors(dyn_dim) if factored else None
        if pair is not None:
            ups.append(_on_rows(edit, pair[0], shape[0]))
            downs.append(_on_columns(edit, pair[1], shape))
        ranks.append(0 if pair is None else pair[1].shape[0])
    up, down = torch.cat(ups, dim=1), torch.cat(downs)
    return Bank(up.to(like.device, like.dtype), down.to(like.device, like.dtype), tuple(ranks))


def _on_rows(edit: Edit, up: Tensor, out: int) -> Tensor:
    """up of a part of a fused projection, with zeros for the other parts' rows."""
    if edit.rows is None:
        return up
    whole = up.new_zeros(out, up.shape[1])
    whole[edit.rows.start : edit.rows.stop] = up
    return whole


def _on_columns(edit: Edit, down: Tensor, shape: Shape) -> Tensor:
    """down of a base model's first convolution in an inpainting model, zeros behind its inputs."""
    if edit.columns is None:
        return down
    rank, kernel = down.shape[0], math.prod(shape[2:])
    whole = down.new_zeros(rank, shape[1], kernel)
    whole[:, : edit.columns] = down.view(rank, edit.columns, kernel)
    return whole.view(rank, -1)


def _key(step: Step) -> tuple[Key, int]:
    return (step.edit.key, _rank(step.dyn_dim))


def _rank(dyn_dim: int | None) -> int:
    return -1 if dyn_dim is None else dyn_dim
