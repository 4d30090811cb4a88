"""One writable parameter: its kept base, its spare buffer, and whose the values it holds are."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from loradex.networks.copies import copied_like
from loradex.networks.model import Place
from loradex.networks.ownership import Owner, Samples, Seen, Window, same_sample, version_of
from loradex.networks.recipe import Recipe


@dataclass(eq=False, slots=True)
class Slot:
    """A parameter that was written at least once.

    It holds what the parameter does not: the base while a recipe is on, a spare buffer after that.
    What the parameter holds is never held here too: a host that moves it counts on its memory.
    The base is the checkpoint's own storage, which is never written, or it is `away`: a copy in
    other memory, and the parameter is written where the base was.
    """

    place: Place
    bare: bool = False
    """Whether the layer has no such parameter, a bias, and networks bring it."""
    recipe: Recipe | None = None
    away: bool = False
    spare: Tensor | None = None
    """A buffer that is pointed at when the next recipe is written."""
    awaited: Recipe | None = None
    """What is to be written when the weight has come to the device that computes with it."""
    former: Tensor | None = None
    """While a recipe waits: the base in main memory, which stays when the host sends it over."""
    made_on: str = ""
    """The type of device that the values of the recipe were computed on."""
    _kept: Tensor | None = None
    _reference: weakref.ref[nn.Parameter] | None = None
    _seen: Seen | None = None
    _samples: Samples | None = None
    _index: int = 0
    _parameters: dict[str, Any] = field(default_factory=dict)
    _name: str = ""

    @classmethod
    def first_touch(cls, place: Place) -> Slot:
        slot = cls(place, place.parameter is None)
        slot._parameters, slot._name = place.module._parameters, place.attribute
        slot._remember(place.parameter)
        return slot

    @property
    def parameter(self) -> nn.Parameter | None:
        """The parameter as it was seen last, as long as it lives."""
        return None if self._reference is None else self._reference()

    @property
    def base(self) -> Tensor | None:
        """What the checkpoint says; `None` where the layer has no such parameter."""
        if self._kept is not None or self.bare:
            return self._kept
        parameter = self.parameter
        return None if parameter is None else parameter.data

    @property
    def live(self) -> Tensor | None:
        """What recipes are written to: the parameter's own memory, or the spare buffer."""
        if self.recipe is None and not self.away:
            return self.spare
        parameter = self.parameter
        return None if parameter is None else parameter.data

    @property
    def has_room(self) -> bool:
        """Whether there is memory to write a recipe to."""
        return self.recipe is not None or self.away or self.spare is not None

    @property
    def window(self) -> Window | None:
        """Where in its memory the sample of the parameter is."""
        return None if self._seen is None else self._seen.window

    @property
    def inference(self) -> bool:
        """Whether the parameter is an inference tensor: it is written in inference mode only."""
        return self._seen is not None and self._seen.inference

    def owner(self) -> Owner:
        """A few comparisons of addresses: this runs for every slot before every apply.

        It touches as few objects as it can: after a switch none of them is in a cache.
        """
        parameter = self._parameters.get(self._name)
        if parameter is self.parameter and self.place.in_model:
            seen = self._seen
            if parameter is None or seen is None or seen.holds(parameter):
                return Owner.OURS
        return self._owner_of_other(self.place.parameter)

    def _owner_of_other(self, parameter: nn.Parameter | None) -> Owner:
        """A moved or cast parameter still holds our values; anything else is not ours.

        Without a recipe there is nothing of ours in it, and whatever it holds is the base.
        """
        seen = self._seen
        if parameter is None or seen is None or parameter.is_meta or not self.place.in_model:
            return Owner.REPLACED
        if parameter.shape != seen.shape:
            return Owner.REPLACED
        if self.recipe is None:
            return Owner.MOVED
        if parameter.data_ptr() == seen.address:
            return self._owner_of_same_memory(parameter, seen)
        if parameter is self.parameter and version_of(parameter) != seen.version:
            return Owner.REPLACED
        samples = self._samples
        known = samples is not None and samples.match(self._index, parameter.data)
        return Owner.MOVED if known else Owner.REPLACED

    def _owner_of_same_memory(self, parameter: nn.Parameter, seen: Seen) -> Owner:
        """Another parameter around our memory is ours; the same one was written in place.

        reForge makes a new parameter around what it found when it takes its own patches off.
        """
        if parameter is self.parameter or parameter.dtype is not seen.dtype:
            return Owner.REPLACED
        self._remember(parameter)
        return Owner.OURS

    def follow(self, computes_on: str = "") -> None:
        """Takes over a moved parameter: the base goes where it went, unless it waits elsewhere.

        Numbers that were not made where it computes are made anew. A host with a small card has
        parameters in main memory that compute on `computes_on`.
        """
        parameter, seen = self.place.parameter, self._seen
        assert parameter is not None
        if self.recipe is None or seen is None:
            self.spare = None
        else:
            data = parameter.data
            device = data.device.type
            device = computes_on or device if device == "cpu" else device
            if device != self.made_on or not seen.has_format_of(data):
                self.recipe = Recipe(self.place, self.recipe.steps, ())
            self._base_follows(data)
        self._remember(parameter)

    def _base_follows(self, data: Tensor) -> None:
        """The base as the parameter is now; in main memory it stays, so that no card holds both."""
        base = self._kept
        if base is not None:
            where = base.device if base.device.type == "cpu" else data.device
            self._kept = copied_like(data, base, where)
            self.away = self._kept.device != data.device

    def to_host(self, room: Callable[[Tensor], Tensor]) -> None:
        """Before the first write: the base goes to main memory, and the parameter is written over.

        What the host sent over a moment ago is still there.
        """
        base, former = self.base, self.former
        assert base is not None
        if former is not None and base.device != former.device and same_sample(former, base):
            self._kept = copied_like(base, former, former.device)
        else:
            self._kept = room(base).copy_(base)
        self.away = True

    def send_base(self, buffer: Tensor) -> None:
        """While a recipe is on: the base moves to `buffer`, and its own memory is given up."""
        assert self._kept is not None
        self._kept, self.away = buffer.copy_(self._kept), True

    def fetch_base(self) -> None:
        """While a recipe is on: the base comes back to the device, as a tensor of its own."""
        assert self._kept is not None
        assert self.parameter is not None
        with torch.inference_mode(self.inference), torch.no_grad():
            self._kept = torch.empty_like(self.parameter.data).copy_(self._kept)
        self.away = False

    @property
    def base_here(self) -> Tensor | None:
        """The base where it is computed with; one that waits elsewhere is sent over."""
        base, live = self.base, self.live if self.away else None
        return base if base is None or live is None else base.to(live.device, non_blocking=True)

    def new_buffer(self) -> Tensor:
        """Memory for a recipe, in the format of the base; a new bias is one number per row.

        An inference tensor where the parameter is one (Forge loads its models in inference mode):
        no forward can use such a parameter when it holds an ordinary tensor.
        """
        base = self.base
        if base is not None:
            with torch.inference_mode(self.inference):
                return torch.empty_like(base)
        weight = self.weight_beside
        return torch.empty(weight.shape[0], dtype=weight.dtype, device=weight.device)

    def point_at_live(self, recipe: Recipe) -> None:
        """The parameter holds what was just written after `recipe`."""
        parameter, spare = self.parameter, self.spare
        if parameter is None:
            assert spare is not None
            parameter = nn.Parameter(spare, requires_grad=False)
            setattr(self.place.module, self.place.attribute, parameter)
            self._remember(parameter)
        elif self.recipe is None and not self.away:
            assert spare is not None
            self._kept = parameter.data
            self._point(parameter, spare)
        self.spare = self.former = None
        self.recipe, self.made_on = recipe, parameter.device.type

    def know_by(self, samples: Samples, index: int) -> None:
        """By these numbers the recipe's values are known again where somebody moves them."""
        self._samples, self._index = samples, index

    @property
    def held(self) -> Tensor | None:
        """What is held beside the parameter."""
        return self.spare if self._kept is None else self._kept

    @property
    def nbytes(self) -> int:
        """Bytes taken beside the model's own memory, where the model is."""
        if self.bare and self.parameter is not None:
            return self.parameter.nbytes
        held = self.held
        return 0 if held is None or self.away else held.nbytes

    @property
    def away_bytes(self) -> int:
        """Bytes of the base where it waits in other memory."""
        return self._kept.nbytes if self.away and self._kept is not None else 0

    @property
    def device_type(self) -> str:
        """Where the parameter is, and its recipe is computed."""
        return (self.weight_beside if self.parameter is None else self.parameter).device.type

    @property
    def weight_beside(self) -> Tensor:
        """The weight beside a bias that the layer does not have."""
        return next(iter(self.place.module.parameters(recurse=False)))

    def let_go(self) -> None:
        """A module that left the model still in our state gets its base back, and nothing else.

        Weights that somebody wrote are theirs: the old base is never written over them.
        """
        if self.place.in_model or self.recipe is None:
            return
        parameter, seen = self.place.parameter, self._seen
        if parameter is None or seen is None or parameter is not self.parameter:
            return
        if seen.holds(parameter):
            self.restore()

    def restore(self) -> None:
        """Back to the base: a pointer flip, no byte moves, unless the base has to be sent back."""
        parameter = self.parameter
        if self.bare:
            self.spare = self.spare if parameter is None else parameter.data
            setattr(self.place.module, self.place.attribute, None)
            self._remember(None)
        elif self._kept is not None and parameter is not None:
            if self.away:
                with torch.inference_mode(self.inference), torch.no_grad():
                    parameter.data.copy_(self._kept, non_blocking=True)
            else:
                self.spare = parameter.data
                self._point(parameter, self._kept)
        self.recipe = self._kept = self._samples = self.awaited = self.former = None
        self.away = False

    def _point(self, parameter: nn.Parameter, data: Tensor) -> None:
        """The parameter holds `data` from now on, in the mode in which it was made."""
        assert self._seen is not None
        if torch.is_inference_mode_enabled() is self._seen.inference:
            parameter.data = data
        else:
            with torch.inference_mode(self._seen.inference):
                parameter.data = data
        self._seen.address = data.data_ptr()

    def _remember(self, parameter: nn.Parameter | None) -> None:
        """What the parameter looks like as long as nobody else touches it."""
        self._reference = None if parameter is None else weakref.ref(parameter)
        self._seen = None if parameter is None else Seen.of(parameter)
