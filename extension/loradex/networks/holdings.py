"""How much memory tensors really take, and how what was freed goes back to the device."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from loradex.networks.model import BoundModel
from loradex.networks.network import Network


def network_bytes(network: Network) -> int:
    """Bytes of the memory behind a network's tensors; views of one buffer count it once.

    A file's tensors share the buffer that it was read into, so all of it stays as long as one of
    them does, also what no module uses.
    """
    tensors = [*_tensors(network.modules), *_tensors(network.embeddings)]
    return storage_bytes(tensors)


def storage_bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes of the storages behind tensors, each counted once."""
    storages = {one.untyped_storage().data_ptr(): one.untyped_storage() for one in tensors}
    return sum(storage.nbytes() for storage in storages.values())


def device_of(model: BoundModel) -> str:
    """Where the part is that denoises, in torch's words: `cpu`, `cuda:0`."""
    parts = model.components.values()
    weight = next((one for part in parts for one in part.root.parameters()), None)
    return "" if weight is None else str(weight.device)


def hand_back() -> None:
    """Freed memory that torch keeps for itself goes back to the graphics card's other users."""
    torch.cuda.empty_cache()  # does nothing where no graphics card is in use


def _tensors(value: Any) -> Iterator[Tensor]:
    """All tensors in a record, a list or a mapping of such."""
    if isinstance(value, Tensor):
        yield value
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from _tensors(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _tensors(one)
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _tensors(one)
