"""Which parameters of a loaded model a network will write, decided before anything is written.

The rules, in this order:

* nothing of the network is in the model -> it is refused;
* a module of the denoiser has another shape than the model's -> the whole network is refused,
  since it was trained for another base model and half a network is no network;
* a text encoder's module has another shape -> that text encoder is left alone, with a note;
* some names are unknown in the model, or some modules of the file are broken -> the rest is
  applied, with a note (`strict` refuses that and the case before);
* a parameter that cannot be merged into (fp8, quantised, streamed) -> computed beside its layer;
  where that cannot be either, the denoiser's network is refused with the reason, and the text
  encoder's layer is left alone, with a note.

`force` applies whatever fits. A shape fits when it is equal, or differs by a 1x1 kernel; the same
number of elements in another shape never fits. The one exception is spelt out in `edits.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from loradex.compat.refusal import incompatibility
from loradex.errors import IncompatibleNetworkError, LoradexError
from loradex.keys.targets import Shape, Target
from loradex.networks.edits import Edit, MisfitError, edits_of
from loradex.networks.model import DENOISERS, BoundModel, Place
from loradex.networks.network import LoadedModule, Network
from loradex.networks.parts import show
from loradex.networks.report import Count
from loradex.networks.storage import has_values, is_compiled, unbranchable, unmergeable

_EXAMPLES = 3


@dataclass(frozen=True)
class Misfit:
    """A module whose name the model knows and whose shape it does not have."""

    name: str
    component: str
    path: str
    delta: Shape
    weight: Shape

    def __str__(self) -> str:
        return f"{self.path} is {show(self.weight)} in the model and {show(self.delta)} in the file"


@dataclass(frozen=True)
class Refused:
    """A module whose parameter takes no network in any way."""

    component: str
    reason: str


@dataclass(frozen=True, eq=False)
class Plan:
    """A network against a model: names of file modules by what became of them, and the edits."""

    subject: str
    title: str
    edits: tuple[Edit, ...]
    matched: tuple[str, ...]
    unmatched: tuple[str, ...]
    misfit: tuple[Misfit, ...]
    refused: Mapping[str, Refused]
    """Module -> why its parameter can neither be merged into nor left alone."""
    counts: Mapping[str, Count]
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    refusal: IncompatibleNetworkError | None = None
    """What is known of a network of another base model: which one it is for."""

    def checked(self, strict: bool = False, force: bool = False) -> tuple[str, ...]:
        """The notes for the report, or the error that says why the network is not applied."""
        for one in self.refused.values():
            if not self.edits or (one.component in DENOISERS and not force):
                raise self._refused(one)
        fatal = [one for one in self.misfit if one.component in DENOISERS]
        if not self.edits or (fatal and not force):
            raise self._mismatch(fatal or list(self.misfit))
        notes = self._shortfalls()
        if notes and strict:
            raise self._incompatible(notes[0], "every module of the file in the model (strict)")
        return (*notes, *self.notes)

    def _refused(self, one: Refused) -> IncompatibleNetworkError:
        return IncompatibleNetworkError(
            self.subject, f"{one.component} cannot take it: {one.reason}",
            "weights of 16 or 32 bit in memory, or layers that are called one by one",
            "Load the checkpoint without fp8, quantisation or offloading, or leave the LoRA out.",
        )

    def _mismatch(self, misfit: list[Misfit]) -> IncompatibleNetworkError:
        if self.refusal is not None:
            known = self.refusal
            return type(known)(known.subject, known.found, known.expected, known.next_step)
        total = len(self.matched) + len(self.unmatched) + len(self.misfit)
        if misfit:
            found = f"{len(self.misfit)} of {total} modules have another shape: {misfit[0]}"
        else:
            found = f"none of its {total} modules is in the model{_such_as(self.unmatched)}"
        return self._incompatible(found)

    def _incompatible(self, found: str, expected: str = "") -> IncompatibleNetworkError:
        return IncompatibleNetworkError(
            self.subject, found, expected or f"a network for {self.title}",
            "Load the base model that it was made for, or leave it out.",
        )

    def _shortfalls(self) -> list[str]:
        found: list[str] = []
        by_component = Counter(one.component for one in self.misfit)
        for component, count in by_component.items():
            first = next(one for one in self.misfit if one.component == component)
            found.append(f"{component}: {count} modules of another shape were left out; {first}")
        left_out = Counter(one.component for one in self.refused.values())
        for component, count in left_out.items():
            why = next(one.reason for one in self.refused.values() if one.component == component)
            found.append(f"{component}: {count} modules were left out: {why}")
        if self.unmatched:
            names = _such_as(self.unmatched)
            found.append(f"{len(self.unmatched)} modules are not in the model{names}")
        if self.faults:
            found.append(f"{len(self.faults)} modules are broken: {self.faults[0]}")
        return found


def make_plan(network: Network, model: BoundModel) -> Plan:
    """The plan of a network on a model; reads shapes and dtypes of the real parameters only."""
    draft = _Draft(model, network)
    for module in network.modules:
        draft.add(module)
    return draft.finish()


class _Draft:
    """Collects what becomes of each module of a network."""

    def __init__(self, model: BoundModel, network: Network) -> None:
        self.model = model
        self.network = network
        self.edits: list[Edit] = []
        self.matched: dict[str, str] = {}
        self.unmatched: dict[str, str] = {}
        self.misfit: list[Misfit] = []
        self.refused: dict[str, Refused] = {}
        self._compiled: dict[str, bool] = {}
        self.faults = {fault.name: fault.reason for fault in network.faults}
        self.notes: list[str] = []

    def add(self, module: LoadedModule) -> None:
        targets = self.model.resolver.resolve(module.file_module, module.codec.shape or None)
        placed = [(target, self.model.weight(target)) for target in targets]
        whole = [(target, place) for target, place in placed if place is not None]
        if not whole or len(whole) < len(placed):
            self.unmatched[module.name] = self._component_of(module.file_module.component)
            return
        edits: list[Edit] = []
        for target, place in whole:
            found = self._edits(module, target, place)
            if found is None:
                return
            edits.extend(found)
        self.edits.extend(edits)
        self.matched[module.name] = whole[0][0].component
        self.notes.extend(f"{module.file_module.name}: {note}" for note in module.codec.notes)

    def _edits(self, module: LoadedModule, target: Target, place: Place) -> list[Edit] | None:
        """The edits of one target, or `None` when the module was set aside with a reason."""
        parameter = place.parameter
        if parameter is None:
            self.unmatched[module.name] = target.component
            return None
        reason = self._obstacle(module, place, parameter)
        if reason:
            self.refused[module.name] = Refused(target.component, reason)
            return None
        try:
            codec = module.codec
            if target.delta_rows is not None:
                codec = codec.rows(target.delta_rows.start, target.delta_rows.stop)
            source = (self.network.stamp, module.name)
            return edits_of(codec, target, place, self.model.bias(target), source)
        except MisfitError as misfit:
            self.misfit.append(
                Misfit(module.name, target.component, target.module, misfit.delta, misfit.weight)
            )
        except LoradexError as error:
            self.faults[module.name] = error.found
        return None

    def _obstacle(self, module: LoadedModule, place: Place, parameter: Tensor) -> str:
        """Why the network can neither be merged into the parameter nor computed beside it."""
        reason = unmergeable(parameter)
        if not reason:
            return ""
        why = unbranchable(place.module, place.holder, place.attribute)
        if not why and module.codec.weight_dependent and not has_values(place.module, parameter):
            why = f"{module.codec.type_name} needs to know their values"
        if not why and self._is_compiled(place.component):
            why = "it was compiled by torch, which does not see what is hooked in afterwards"
        return f"{reason}, and {why}" if why else ""

    def _is_compiled(self, component: str) -> bool:
        known = self._compiled.get(component)
        if known is None:
            known = self._compiled[component] = is_compiled(self.model.components[component].root)
        return known

    def _component_of(self, hint: str) -> str:
        return hint if hint.startswith("te") else self.model.denoiser

    def finish(self) -> Plan:
        totals = Counter([*self.matched.values(), *self.unmatched.values(),
                          *(one.component for one in self.misfit),
                          *(one.component for one in self.refused.values()),
                          *(self._component_of(name.split(".")[0]) for name in self.faults)])
        hits = Counter(self.matched.values())
        branched = {edit.key[1]: edit.component for edit in self.edits if edit.beside}
        beside = Counter(branched.values())
        fatal = any(one.component in DENOISERS for one in self.misfit)
        unsure = fatal or not self.edits or any(one in DENOISERS for one in self.unmatched.values())
        doubtful = not self.refused and unsure
        return Plan(
            subject=self.network.name, title=self.model.title, edits=tuple(self.edits),
            matched=tuple(self.matched), unmatched=tuple(self.unmatched),
            misfit=tuple(self.misfit), refused=self.refused,
            counts={name: Count(hits[name], totals[name], beside[name])
                    for name in sorted(totals, key=_rank)},
            faults=tuple(f"{name}: {why}" for name, why in self.faults.items()),
            notes=tuple(self._file_notes()), refusal=self._refusal() if doubtful else None,
        )

    def _refusal(self) -> IncompatibleNetworkError | None:
        network = self.network
        parts = {name: part.architecture for name, part in self.model.components.items()}
        return incompatibility(
            network.parsed, network.shapes, network.metadata, parts, network.name
        )

    def _file_notes(self) -> list[str]:
        unknown = self.network.parsed.unknown
        keys = [f"{len(unknown)} tensors are not understood{_such_as(unknown)}"] if unknown else []
        return keys + list(self.network.notes) + _abridged(self.notes)


def _rank(component: str) -> tuple[bool, str]:
    return (component not in DENOISERS, component)


def _such_as(names: Iterable[str]) -> str:
    listed = list(names)[:_EXAMPLES]
    return f", such as {', '.join(listed)}" if listed else ""


def _abridged(notes: list[str]) -> list[str]:
    """The first note of a kind stands for all: a file says the same of each of its modules."""
    if len(notes) <= 1:
        return notes
    return [f"{notes[0]} (and {len(notes) - 1} more notes of this file's modules)"]


