"""How what a parameter holds is known again: by its address and version, and moved by a sample."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor, nn

SAMPLE = 16
"""Numbers of a tensor's middle row by which it is known again."""
_ONE = (1,)
Window = tuple[tuple[int], int]


class Owner(Enum):
    """Whose the current contents of a parameter are."""

    OURS = "ours"
    MOVED = "moved"
    """The same values on another device, in another dtype or at another address."""
    REPLACED = "replaced"
    """Somebody wrote other weights, or put another module there."""


@dataclass(eq=False, slots=True)
class Seen:
    """What a parameter looks like as long as nobody else touches it."""

    address: int
    version: int
    dtype: torch.dtype
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    inference: bool
    window: Window | None
    """How many numbers make its sample and where in its memory they begin; `None` where they do
    not lie one behind the other."""

    @classmethod
    def of(cls, parameter: nn.Parameter) -> Seen:
        return cls(
            parameter.data_ptr(), version_of(parameter), parameter.dtype, tuple(parameter.shape),
            parameter.stride(), parameter.is_inference(), _window(parameter),
        )

    def holds(self, parameter: nn.Parameter) -> bool:
        """Whether nobody else has touched it; asked for every weight before every apply."""
        return (
            parameter.data_ptr() == self.address
            and parameter.dtype is self.dtype
            and version_of(parameter) == self.version
        )

    def has_format_of(self, data: Tensor) -> bool:
        """Whether a recipe would be computed in the same way there."""
        return (data.dtype, data.stride()) == (self.dtype, self.stride)


@dataclass(eq=False)
class Samples:
    """Numbers of each of several tensors of one device and dtype, as one tensor [n].

    Taken for every weight of every switch: no object is made for a tensor but a view of it, and
    all views are copied at once, without waiting for the device.
    """

    _lengths: list[int]
    _numbers: Tensor

    @classmethod
    def of(cls, views: list[Tensor]) -> Samples:
        return cls([len(view) for view in views], torch.cat(views))

    def match(self, index: int, data: Tensor) -> bool:
        """Whether these are that tensor's values, wherever they lie and in whatever dtype."""
        if self._numbers.device.type != "cpu":
            self._numbers = self._numbers.cpu()
        start = sum(self._lengths[:index])
        mine = self._numbers[start : start + self._lengths[index]]
        return torch.equal(mine.to(data.dtype), sample_of(data, _window(data)).cpu())


def sample_of(data: Tensor, window: Window | None) -> Tensor:
    """The first numbers [n] of the middle row, a view; the same in whatever memory format."""
    if window is None:
        return data[data.shape[0] // 2].reshape(-1)[:SAMPLE]
    return data.as_strided(window[0], _ONE, data.storage_offset() + window[1])


def same_sample(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors in different memory are copies, as far as a sample tells."""
    return one.shape == other.shape and Samples.of([sample_of(one, _window(one))]).match(0, other)


def version_of(parameter: nn.Parameter) -> int:
    """How often the parameter was written in place; inference tensors do not count that."""
    try:
        return parameter._version
    except RuntimeError:
        return -1


def _window(data: Tensor) -> Window | None:
    if not data.is_contiguous():
        return None
    row, start = data.numel(), 0
    if data.dim() > 1 and row:
        row //= data.shape[0]
        start = data.shape[0] // 2 * row
    return (min(row, SAMPLE),), start
