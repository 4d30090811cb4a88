"""A loaded model as the engine sees it: its components, and where a parameter lives in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from torch import nn

from loradex.keys.architecture import Architecture
from loradex.keys.derive import derive
from loradex.keys.resolve import Resolver
from loradex.keys.targets import Target, Tree

DENOISERS = ("unet", "transformer")

PlaceKey = tuple[str, str, str]
"""Component, module path and parameter name."""


@dataclass(frozen=True, eq=False)
class BoundComponent:
    """One part of a model: its root module and the names that its modules go by."""

    name: str
    root: nn.Module
    architecture: Architecture
    tree: Tree


@dataclass(frozen=True, eq=False, slots=True)
class Place:
    """Where one parameter lives: `holder` has the module `module` under the name `child`."""

    key: PlaceKey
    module: nn.Module
    holder: nn.Module
    child: str
    attribute: str

    @property
    def component(self) -> str:
        return self.key[0]

    @property
    def parameter(self) -> nn.Parameter | None:
        return self.module._parameters.get(self.attribute)

    @property
    def in_model(self) -> bool:
        """Whether the model still has this very module there, bare or in a wrapper."""
        found = self.holder._modules.get(self.child)
        if found is self.module or not self.child:  # a parameter of the root has no child
            return True
        return found is not None and _bare(found) is self.module


@dataclass(eq=False)
class BoundModel:
    """Components by name (`unet`, `te` ...); `title` says in words which model it is.

    `notes` say what of the model could not be bound, and why.
    """

    components: Mapping[str, BoundComponent]
    title: str = "the loaded model"
    notes: tuple[str, ...] = ()
    computes_on: str = ""
    """The type of device that a host sends parts in main memory to before they compute, if any."""
    _places: dict[PlaceKey, Place] = field(default_factory=dict, init=False, repr=False)
    _by_parameter: dict[int, Place] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def resolver(self) -> Resolver:
        return Resolver(
            {name: part.architecture for name, part in self.components.items()},
            {name: part.tree for name, part in self.components.items()},
        )

    @property
    def denoiser(self) -> str:
        """The name of the component that denoises."""
        return next((name for name in DENOISERS if name in self.components), DENOISERS[0])

    def weight(self, target: Target) -> Place | None:
        """The parameter that a target's delta goes to; `None` where the model has none there."""
        return self._place((target.component, target.module, target.parameter))

    def bias(self, target: Target) -> Place | None:
        """The bias beside it; its module may have the name and no bias (`place.parameter`)."""
        if not target.parameter.endswith("weight"):
            return None
        name = target.parameter[: -len("weight")] + "bias"
        return self._place((target.component, target.module, name))

    def _place(self, key: PlaceKey) -> Place | None:
        """One place per parameter: modules that share one (tied weights) share its place."""
        known = self._places.get(key)
        if known is not None and known.in_model:
            return known
        place = self._find(key)
        if place is None:
            return None
        if place.parameter is not None:
            first = self._by_parameter.get(id(place.parameter))
            if first is not None and first.in_model and first.parameter is place.parameter:
                place = first
            self._by_parameter[id(place.parameter)] = place
        self._places[key] = place
        return place

    def _find(self, key: PlaceKey) -> Place | None:
        component, path, attribute = key
        bound = self.components.get(component)
        if bound is None:
            return None
        if not attribute:  # the path is the parameter itself (open_clip's text_projection)
            path, _, attribute = path.rpartition(".")
        for spelling in _spellings(path):
            found = _walk(bound.root, spelling)
            if found is not None and attribute in found[2]._parameters:
                return Place(key, found[2], found[0], found[1], attribute)
        return None


def bind_diffusers(
    denoiser: nn.Module, text_encoders: Sequence[nn.Module] = (), title: str = "",
    computes_on: str = "",
) -> BoundModel:
    """The model of diffusers' and transformers' modules, by their `.config` alone.

    The first text encoder is `te`, the next `te2`, `te3`. `computes_on` is for models whose parts
    are sent from main memory to a device of this type when they compute.
    """
    main = "transformer" if "Transformer" in type(denoiser).__name__ else "unet"
    components = {main: _bound(main, denoiser)}
    for index, encoder in enumerate(text_encoders):
        name = "te" if index == 0 else f"te{index + 1}"
        components[name] = _bound(name, encoder)
    return BoundModel(components, title or "the loaded model", computes_on=computes_on)


def _bound(name: str, module: nn.Module) -> BoundComponent:
    """A component with the table that its class and configuration ask for."""
    architecture = derive(type(module).__name__, _config_of(module))
    return BoundComponent(name, module, architecture, "diffusers")


def _config_of(module: nn.Module) -> Mapping[str, Any]:
    config: Any = module.config
    if isinstance(config, Mapping):
        return config
    found: Mapping[str, Any] = config.to_dict()
    return found


def _spellings(path: str) -> Iterator[str]:
    """transformers 5 has no `text_model.` before the names of a CLIPTextModel, 4 has it."""
    prefix = "text_model."
    yield path
    yield path[len(prefix):] if path.startswith(prefix) else prefix + path


def _walk(root: nn.Module, path: str) -> tuple[nn.Module, str, nn.Module] | None:
    """Holder, child name and module; a wrapper is looked through."""
    holder, child, module = root, "", root
    for name in path.split(".") if path else ():
        found = _bare(module)._modules.get(name)
        if found is None:
            return None
        holder, child, module = _bare(module), name, found
    return holder, child, _bare(module)


WRAPPED = frozenset({"base_layer", "wrapped"})
"""What a wrapper calls the module inside it: PEFT's layers, AUTOMATIC1111's embeddings."""


def _bare(module: nn.Module) -> nn.Module:
    for name in WRAPPED:
        inside = module._modules.get(name)
        if inside is not None:
            return _bare(inside)
    return module
