"""Set: a weight that replaces the model's (BFL control files); strength does not scale it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from loradex.networks.base import NetworkModule, f32
from loradex.networks.parts import Parts, Shape, show


@dataclass(frozen=True, eq=False)
class SetModule(NetworkModule):
    """value [out, in, *kernel] or [channels] takes the weight's place whole."""

    type_name = "set"
    weight_dependent = True
    replaces = True

    value: Tensor

    @classmethod
    def claims(cls, tensors: Mapping[str, Tensor]) -> bool:
        return not {"set_weight", "reshape_weight"}.isdisjoint(tensors)

    @classmethod
    def build(cls, parts: Parts) -> SetModule:
        asked = parts.optional("reshape_weight")
        if asked is not None:
            wanted = tuple(int(n) for n in asked.reshape(-1)[:8])
            raise parts.hints.broken(
                f"'reshape_weight' asks for a model weight enlarged to {show(wanted)}",
                "a network that leaves the model's shapes alone",
                "Use the model that this control network was made into.",
            )
        return cls(parts.take("set_weight"), hints=parts.hints)

    @property
    def shape(self) -> Shape:
        return tuple(self.value.shape)

    def replacement(self, weight: Tensor) -> Tensor:
        """The new weight, fp32, in the shape of `weight`."""
        self.check_fits(weight)
        return f32(self.value, weight).reshape(weight.shape)

    def delta(self, weight: Tensor, dyn_dim: int | None = None) -> Tensor:
        return self.replacement(weight) - f32(weight)

    def rows(self, start: int, stop: int) -> SetModule:
        self.check_rows(start, stop, self.value.shape[0])
        return dataclasses.replace(self, value=self.value[start:stop])
