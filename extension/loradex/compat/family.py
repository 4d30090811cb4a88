"""What a base family is: its parts, the tables derived from them, and what people call it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from loradex.keys.architecture import Architecture
from loradex.keys.configs import Config
from loradex.keys.derive import derive
from loradex.keys.resolve import NameTable, table_of


@dataclass(frozen=True)
class Part:
    """One part of a family: its component, the class that builds it and its configuration."""

    component: str
    class_name: str
    config: Config

    @cached_property
    def table(self) -> NameTable:
        """Its name table, derived on first use (2 to 50 ms)."""
        return table_of(derive(self.class_name, self.config))


@dataclass(frozen=True)
class Edition:
    """A kind of a family's models that its table holds for too, but for the first layer's input.

    `inputs` are the channels that the first layer takes there, 0 where they are the table's.
    `lacks` are beginnings of the flattened names of layers that it is without.
    """

    name: str
    inputs: int = 0
    lacks: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Family:
    """One size of a base family: what its models are made of and what people call it.

    `id` is what surfaces show; families of several sizes or trees have one entry per size, told
    apart by `variant`. The first part is the main one, by which the family is told. `feature`
    names the number of it that messages quote. `claims` are beginnings of the values that trainers
    write into metadata for it. `lookalikes` are models whose networks name and shape cannot tell
    from its own. `editions` are its models that differ in their input, or lack a layer.
    """

    id: str
    title: str
    parts: tuple[Part, ...]
    feature: str
    claims: tuple[str, ...] = ()
    lookalikes: tuple[str, ...] = ()
    variant: str = ""
    editions: tuple[Edition, ...] = ()

    @property
    def key(self) -> str:
        """What no other entry has: `flux2/klein-4b`, or the id alone."""
        return f"{self.id}/{self.variant}" if self.variant else self.id

    @property
    def main(self) -> str:
        """The component by which the family is told: `denoiser`, or `motion` for AnimateDiff."""
        return self.parts[0].component

    def architectures(self) -> Mapping[str, Architecture]:
        """Component -> table; the main one is among them."""
        return {name: table.architecture for name, table in self.tables().items()}

    @property
    def feature_value(self) -> int:
        return self.parts[0].table.architecture.features[self.feature]

    def tables(self) -> Mapping[str, NameTable]:
        """Component -> name table; each is derived on first use."""
        return self._tables

    @cached_property
    def _tables(self) -> Mapping[str, NameTable]:
        return {part.component: part.table for part in self.parts}


def denoiser(class_name: str, config: Config) -> Part:
    """The part by which most families are told."""
    return Part("denoiser", class_name, config)
