"""Containers whose forward runs every weight below them, so that a change of any changes the end.

A signal of 16 numbers a picture goes through all modules in order. It is never damped: what the
last bit of one weight changes is still there at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

WIDTH = 16  # one latent of 4x2x2


class Walk(nn.Module):
    """A container that calls its parts in order, as numbered lists and blocks are called."""

    def __iter__(self) -> Iterator[nn.Module]:
        return (module for _, module in _in_order(self))

    def __getitem__(self, index: int) -> nn.Module:
        return self.get_submodule(str(index))

    def __len__(self) -> int:
        return len(self._modules)

    def forward(self, signal: Tensor, *skip: str) -> Tensor:
        """signal: [batch, 16]; `skip` names parts that the caller has run itself."""
        for name, parameter in self._parameters.items():
            if parameter is not None and name not in skip:
                signal = mixed(signal, parameter.reshape(1, -1).expand(len(signal), -1))
        for name, module in _in_order(self):
            if name not in skip:
                signal = run(module, signal)
        return signal


def walking(root: nn.Module) -> Walk:
    """Makes every plain container of a tree, the root too, a Walk; in place."""
    for module in root.modules():
        if type(module) is nn.Module:
            module.__class__ = Walk
    assert isinstance(root, Walk)
    return root


def run(module: nn.Module, signal: Tensor) -> Tensor:
    """The signal after one module, whatever that takes and returns."""
    if isinstance(module, Walk):
        return torch.as_tensor(module(signal))
    if isinstance(module, nn.MultiheadAttention):
        # Two tokens: with one alone, queries and keys would not matter.
        tokens = spread(signal, 2 * module.embed_dim).reshape(len(signal), 2, module.embed_dim)
        tokens = tokens.transpose(0, 1)
        return mixed(signal, module(tokens, tokens, tokens, need_weights=False)[0].transpose(0, 1))
    if isinstance(module, nn.Embedding):
        return mixed(signal, module.weight.reshape(1, -1).expand(len(signal), -1))
    return mixed(signal, module(_fitting(module, signal)))


def _fitting(module: Any, signal: Tensor) -> Tensor:
    """An input of the module's own shape, made of the signal."""
    batch = len(signal)
    if isinstance(module, nn.Linear):
        return spread(signal, module.in_features)
    if isinstance(module, nn.LayerNorm):
        return spread(signal, int(module.normalized_shape[0]))
    if isinstance(module, nn.GroupNorm):
        return spread(signal, module.num_channels * 4).reshape(batch, module.num_channels, 2, 2)
    high, wide = module.kernel_size
    size = module.in_channels * high * wide
    return spread(signal, size).reshape(batch, module.in_channels, high, wide)


def spread(signal: Tensor, size: int) -> Tensor:
    """[batch, 16] -> [batch, size]: repeated, each place with a factor of its own."""
    repeated = signal.repeat(1, size // WIDTH + 1)[:, :size]
    return repeated * _factors(size).to(signal)


@lru_cache(None)
def _factors(size: int) -> Tensor:
    return 1.5 + torch.cos(torch.arange(size, dtype=torch.float32))


@lru_cache(None)
def _weights(count: int) -> Tensor:
    return 1 + torch.sin(torch.arange(1, count + 1, dtype=torch.float32)) / 4


def mixed(signal: Tensor, found: Tensor) -> Tensor:
    """The signal turned by one place, with [batch, ...] folded into it.

    A sine bounds it and, unlike a tanh, has no place where changes no longer show.
    """
    flat = found.reshape(len(signal), -1).to(signal.dtype)
    missing = -flat.shape[1] % WIDTH
    folded = nn.functional.pad(flat, (0, missing)).reshape(len(signal), -1, WIDTH)
    total = _weights(folded.shape[1]).to(signal) @ folded
    return torch.roll(signal, 1, dims=1) + 0.1 * torch.sin(total / folded.shape[1] ** 0.5)


def _in_order(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """Numbered parts by their number: names come sorted as text."""
    return sorted(module._modules.items(), key=lambda one: (one[0].isdigit() and int(one[0])))
