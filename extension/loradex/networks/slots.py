"""One writable parameter: its kept base, its live buffer, and who owns what it holds now."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import torch
from torch import Tensor, nn

from loradex.networks.copies import copied_like, same_values
from loradex.networks.model import Place
from loradex.networks.recipe import Recipe


class Owner(Enum):
    """Whose the current contents of a parameter are."""

    OURS = "ours"
    MOVED = "moved"
    """The same values on another device, in another dtype or at another address."""
    REPLACED = "replaced"
    """Somebody wrote other weights, or put another module there."""


@dataclass(eq=False, slots=True)
class Slot:
    """A parameter that was written at least once.

    `base` is what the checkpoint says; `None` where the layer has no bias and the network brings
    one. `live` is what the parameter points at while a recipe is on; after that it is kept as a
    spare until somebody needs the memory. Either `base` is the checkpoint's own storage, which is
    never written, or it is `away`: a copy in other memory, and `live` lies in its place.
    """

    place: Place
    parameter: nn.Parameter | None
    base: Tensor | None
    live: Tensor | None = None
    recipe: Recipe | None = None
    away: bool = False
    made_on: str = ""
    """The type of device that `live` was computed on."""
    _version: int = -1
    _address: int = 0
    _dtype: torch.dtype | None = None
    _parameters: dict[str, Any] = field(default_factory=dict)
    _name: str = ""
    inference: bool = False
    """Whether the parameter is an inference tensor, which may be written in inference mode only."""

    @classmethod
    def first_touch(cls, place: Place) -> Slot:
        parameter = place.parameter
        slot = cls(place, parameter, None if parameter is None else parameter.data)
        slot._parameters, slot._name = place.module._parameters, place.attribute
        slot._remember()
        return slot

    @property
    def current(self) -> Tensor | None:
        """What the parameter should hold now."""
        return self.base if self.recipe is None else self.live

    def owner(self) -> Owner:
        """A few comparisons of addresses: this runs for every slot before every apply.

        It touches as few objects as it can: after a switch none of them is in a cache.
        """
        parameter = self._parameters.get(self._name)
        if parameter is self.parameter and self.place.in_model:
            if parameter is None:
                return Owner.OURS
            if (
                parameter.data_ptr() == self._address
                and parameter.dtype is self._dtype
                and _version(parameter) == self._version
            ):
                return Owner.OURS
        return self._owner_of_other(self.place.parameter, self.current)

    def _owner_of_other(self, parameter: nn.Parameter | None, current: Tensor | None) -> Owner:
        """A moved or cast parameter still holds our values; anything else is not ours."""
        if not self.place.in_model or parameter is None or current is None:
            return Owner.REPLACED
        data = parameter.data
        if data.is_meta or data.shape != current.shape:
            return Owner.REPLACED
        if data.data_ptr() == current.data_ptr():
            return self._owner_of_same_memory(parameter, current)
        return Owner.MOVED if same_values(data, current) else Owner.REPLACED

    def _owner_of_same_memory(self, parameter: nn.Parameter, current: Tensor) -> Owner:
        """Another parameter around our memory is ours; the same one was written in place.

        reForge makes a new parameter around what it found when it takes its own patches off.
        """
        if parameter is self.parameter or parameter.dtype is not current.dtype:
            return Owner.REPLACED
        self.parameter = parameter
        self._remember()
        return Owner.OURS

    def follow(self) -> None:
        """Takes over a moved parameter: the base goes where it went, unless it waits elsewhere.

        Other numbers than this device would make are made anew.
        """
        parameter = self.place.parameter
        assert parameter is not None
        data = parameter.data
        if self.recipe is None:
            self.base, self.live = data, None
        else:
            if data.device.type != self.made_on or not self._alike(data):
                self.recipe = Recipe(self.place, self.recipe.steps, ())
            self.live = data
            self._base_follows(data)
        self.parameter = parameter
        self._remember()

    def _alike(self, data: Tensor) -> bool:
        """Whether `live` would be computed in the same way there."""
        live = self.live
        return live is not None and (live.dtype, live.stride()) == (data.dtype, data.stride())

    def _base_follows(self, data: Tensor) -> None:
        """The base as the parameter is now; in main memory it stays, so that no card holds both."""
        base = self.base
        if base is None:
            return
        stays = base.device.type == "cpu" or base.device == data.device
        where = base.device if stays else data.device
        try:
            self.base = copied_like(data, base, where)
        except torch.cuda.OutOfMemoryError:
            self.base = copied_like(data, base, torch.device("cpu"))
        self.away = self.base.device != data.device

    def to_host(self, buffer: Tensor) -> None:
        """Before the first write: the base moves to `buffer`, and `live` will be in its place."""
        assert self.base is not None
        buffer.copy_(self.base)
        self.live, self.base, self.away = self.base, buffer, True

    def send_base(self, buffer: Tensor) -> None:
        """While a recipe is on: the base moves to `buffer`, and its own memory is given up."""
        assert self.base is not None
        buffer.copy_(self.base)
        self.base, self.away = buffer, True

    def fetch_base(self) -> None:
        """While a recipe is on: the base comes back to where `live` is, as a tensor of its own."""
        assert self.base is not None
        assert self.live is not None
        with torch.inference_mode(self.inference), torch.no_grad():
            self.base = torch.empty_like(self.live).copy_(self.base)
        self.away = False

    @property
    def base_here(self) -> Tensor | None:
        """The base where `live` is; one that waits elsewhere is sent over."""
        base, live = self.base, self.live
        if not self.away or base is None or live is None:
            return base
        return base.to(live.device, non_blocking=True)

    def new_buffer(self) -> Tensor:
        """Memory for `live`, in the format of the base; a new bias is one number per row.

        An inference tensor where the parameter is one (Forge loads its models in inference mode):
        no forward can use such a parameter when it holds an ordinary tensor.
        """
        if self.base is not None:
            with torch.inference_mode(self.inference):
                return torch.empty_like(self.base)
        weight = self._weight
        return torch.empty(weight.shape[0], dtype=weight.dtype, device=weight.device)

    def drop_stale_buffer(self) -> None:
        """A spare for a bias that the layer lacks is of no use where its weight has moved."""
        live = self.live
        if self.base is None and self.recipe is None and live is not None:
            weight = self._weight
            if live.dtype is not weight.dtype or live.device != weight.device:
                self.live = None

    @property
    def buffer_kind(self) -> tuple[object, ...]:
        """Buffers of one kind may take each other's place."""
        if self.base is None:
            return (self.place.key,)
        base = self.base
        return (tuple(base.shape), base.stride(), base.dtype, base.device, self.inference)

    def point_at_live(self, recipe: Recipe) -> None:
        """The parameter holds `live`, which has just been written after `recipe`."""
        assert self.live is not None
        if self.parameter is None:
            self.parameter = nn.Parameter(self.live, requires_grad=False)
            setattr(self.place.module, self.place.attribute, self.parameter)
        elif self.recipe is None and not self.away:
            self._point(self.live)
        if self.base is None:  # a new bias counts the writes to its buffer as its own
            self._remember()
        self.recipe, self.made_on = recipe, self.live.device.type

    @property
    def nbytes(self) -> int:
        """Bytes that `live` takes beside the model's own memory."""
        return 0 if self.live is None or self.away else self.live.nbytes

    @property
    def away_bytes(self) -> int:
        """Bytes of the base where it waits in other memory."""
        return self.base.nbytes if self.away and self.base is not None else 0

    @property
    def device_type(self) -> str:
        """Where the parameter is, and its recipe is computed."""
        shown = self.live if self.away else self.base
        return (self._weight if shown is None else shown).device.type

    @property
    def _weight(self) -> Tensor:
        """The weight beside a bias that the layer does not have."""
        return next(iter(self.place.module.parameters(recurse=False)))

    def let_go(self) -> None:
        """A module that left the model still in our state gets its base back, and nothing else.

        Weights that somebody wrote are theirs: the old base is never written over them.
        """
        if self.place.in_model or self.recipe is None or self.live is None:
            return
        kept = self.place.parameter
        untouched = kept is not None and kept is self.parameter and _version(kept) == self._version
        if untouched and kept is not None and kept.data_ptr() == self.live.data_ptr():
            self.restore()

    def restore(self) -> None:
        """Back to the base: a pointer flip, no byte moves, unless the base has to be sent back."""
        if self.base is None:
            setattr(self.place.module, self.place.attribute, None)
            self.parameter = None
        elif self.away:
            self._send_back(self.base)
        else:
            self._point(self.base)
        self.recipe = None

    def _send_back(self, base: Tensor) -> None:
        assert self.live is not None
        with torch.inference_mode(self.inference), torch.no_grad():
            self.live.copy_(base, non_blocking=True)
        self.base, self.live, self.away = self.live, None, False

    def _point(self, data: Tensor) -> None:
        """The parameter holds `data` from now on, in the mode in which it was made."""
        assert self.parameter is not None
        if torch.is_inference_mode_enabled() is self.inference:
            self.parameter.data = data
        else:
            with torch.inference_mode(self.inference):
                self.parameter.data = data
        self._address = data.data_ptr()

    def _remember(self) -> None:
        """What the parameter looks like as long as nobody else touches it."""
        if self.parameter is not None:
            self._address, self._dtype = self.parameter.data_ptr(), self.parameter.dtype
            self.inference = self.parameter.is_inference()
        self._version = _version(self.parameter)


def _version(parameter: nn.Parameter | None) -> int:
    """How often the parameter was written in place; inference tensors do not count that."""
    if parameter is None:
        return -1
    try:
        return parameter._version
    except RuntimeError:
        return -1
