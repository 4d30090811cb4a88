"""Puts networks on the model that the WebUI has in memory, whichever that is at the moment.

The stack is applied when the WebUI says which networks a run wants. A model that takes over in the
middle of a run (a refiner, a checkpoint out of the WebUI's cache) is noticed at a gate: a hook
before the denoiser and the text encoders compute, which costs a comparison when nothing changed.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from loradex.catalog.folder_networks import NetworkSource
from loradex.errors import InputError, LoradexError, PatchError
from loradex.manager import LoraManager
from loradex.networks.each_run import EachRun
from loradex.networks.report import RunReport
from loradex.prompts.presets import BUILT_IN, Presets
from loradex.prompts.tags import LoraTag
from loradex.webui.hosts.host import Host, HostModel
from loradex.webui.memory import is_short
from loradex.webui.rows import all_skipped
from loradex.webui.steps import Position


@dataclass(frozen=True)
class Wanted:
    """What the current run asks for."""

    tags: tuple[LoraTag, ...] = ()
    strict: bool = False
    force: bool = False
    hires: bool = False
    """Whether this is the second pass of hires fix."""
    told: Callable[[RunReport], None] = lambda _: None
    """Gets what became of the tags on a model that takes over in the middle of the run."""
    failed: Callable[[RunReport], None] = lambda _: None
    """Gets the report anew where networks could not be written when their weights came."""
    images: tuple[tuple[LoraTag, ...], ...] = ()
    """The tags of each image of the batch, where they differ; `tags` are the first one's."""


class Applier:
    """The one user of the engine in a WebUI; safe to call from several threads."""

    def __init__(
        self, host: Host, source: NetworkSource, cache_bytes: int,
        presets: Callable[[], Presets] = lambda: BUILT_IN,
    ) -> None:
        self.host = host
        self.manager = LoraManager(
            cache_bytes=cache_bytes, source=source, presets=presets, failed=self._not_written)
        self._lock = threading.RLock()
        self._hooks: weakref.WeakKeyDictionary[nn.Module, Any] = weakref.WeakKeyDictionary()
        self._root: weakref.ref[Any] | None = None
        self._parts: tuple[int, ...] = ()
        self._notes: tuple[str, ...] = ()
        self._wanted = Wanted()
        self._device = torch.device("cpu")
        self._fresh = False
        self._pass_conditioning = False
        self._stop: LoradexError | None = None
        self._at = Position()
        self._each: EachRun | None = None

    def bind(self) -> HostModel | None:
        """The WebUI's model, ready for networks; None where none is in memory.

        Raises:
            InputError: networks cannot be put on this model, and why.
        """
        with self._lock:
            model = self.host.model()
            if model is not None and model.obstacle:
                self.release()
                raise InputError(model.title, model.obstacle, "weights in memory",
                                 "Switch that off for networks to take effect.")
            if model is not None and (model.parts != self._parts or not self._alive):
                self._bind(model)
            return model

    def use(self, wanted: Wanted) -> RunReport:
        """Makes the weights what this run wants; only with `strict` a network's failure raises."""
        with self._lock:
            self._stop, self._wanted, self._pass_conditioning = None, wanted, False
            self._at, self._each = Position(), None
            self._settle()
            report = self._apply_each() if wanted.images else self._apply()
            if not wanted.tags and is_short(self._device):
                self.manager.release_spare()
            return report

    def step(self, at: Position) -> None:
        """Makes the denoiser's weights those of a step, where tags say that they change.

        A model that has taken over since the last step gets them at its gate.

        Raises:
            PatchError: every weight is the checkpoint's for the rest of the run.
        """
        if not self.manager.moves:
            return
        with self._lock:
            self._at = at
            model = self.host.model() if self._fresh else None
            if model is None or model.parts != self._parts:
                return
            try:
                self.manager.step(at.index, at.total, hires=at.hires)
            except PatchError as error:
                if self._wanted.strict:
                    self._stop = error
                raise

    def read_each(
        self, read: Callable[[Callable[[int], None]], None]
    ) -> tuple[RunReport, ...]:
        """Has every image's prompts read under its own text encoders, then all drawn at once.

        `read` is given what puts an image's networks on the text encoders. Nothing happens where
        another model has taken over, or the images have the same tags.
        """
        with self._lock:
            run, wanted = self._each, self._wanted
            if run is None or not self._fresh or self._stop is not None:
                return ()
            try:
                read(run.encode)
                reports = run.draw()
                self.manager.step(0, 1, hires=wanted.hires)
            except LoradexError as error:
                self.manager.restore()
                self._stop = error if wanted.strict else None
                raise
            return reports

    def rest(self) -> None:
        """The checkpoint's own weights for the next text that is encoded, and only for that.

        The WebUI encodes the empty prompt of a model that it has just loaded, also when that
        happens in the middle of a run.
        """
        with self._lock:
            self._settle()
            self.manager.restore()
            self._fresh, self._pass_conditioning, self._each = False, True, None

    def stop_run(self, error: LoradexError) -> None:
        """Nothing is computed until the next run begins: whoever tries gets this error."""
        with self._lock:
            self._settle()
            self.manager.restore()
            self._stop = error

    def release(self) -> None:
        """The model's own weights again; nothing of it is held, and no gate is left in it."""
        with self._lock:
            self._let_go()
            self._unhook()

    def rebind(self) -> None:
        """A checkpoint was loaded: even the same modules may hold other weights.

        The WebUI puts a new wrapper around the text encoder then, also in the middle of a run,
        and encodes the prompt with it before the denoiser is called.
        """
        with self._lock:
            self._parts = ()
            model = self.host.model() if self._hooks else None
            if model is not None and not model.obstacle:
                self._hook(model)

    def close(self) -> None:
        """The model is as it was found: weights, hooks and all."""
        with self._lock:
            self._let_go()
            self._unhook()
            self.manager.close()

    @property
    def _alive(self) -> bool:
        return self._root is not None and self._root() is not None

    def _bind(self, model: HostModel) -> None:
        from loradex.networks.native import bind_native

        self._let_go()
        try:
            bound = bind_native(
                model.denoiser, model.encoders, model.title, model.computes_on)
        except InputError:
            self._unhook()  # the model is somebody else's to serve
            raise
        self.manager.bind(bound)
        self._notes = bound.notes
        self._root = weakref.ref(model.root, self._forget)
        self._parts, self._fresh = model.parts, False
        self._device = next(model.denoiser.parameters()).device
        self._hook(model)

    def _hook(self, model: HostModel) -> None:
        for gate in model.gates:
            if gate not in self._hooks:
                self._hooks[gate] = gate.register_forward_pre_hook(self._at_gate)

    def _unhook(self) -> None:
        for hook in self._hooks.values():
            hook.remove()
        self._hooks.clear()
        self._wanted, self._stop = Wanted(), None

    def _settle(self) -> None:
        """What others put on top of our weights comes off before we look at the weights.

        Else theirs would be taken for the checkpoint's, and come back twice.
        """
        root = None if self._root is None else self._root()
        if root is not None:
            self.host.settle(root)

    def _let_go(self) -> None:
        self._settle()
        self.manager.release()
        self._root, self._parts, self._fresh, self._each = None, (), False, None

    def _forget(self, reference: Any) -> None:
        """The WebUI threw the model away: its weights must not live on in our buffers."""
        if reference is self._root:
            self.manager.forget()
            self._root, self._parts, self._fresh, self._each = None, (), False, None

    def _apply(self) -> RunReport:
        wanted = self._wanted
        try:
            report = self.manager.use(
                wanted.tags, strict=wanted.strict, force=wanted.force, hires=wanted.hires)
            self.manager.step(self._at.index, self._at.total, hires=self._at.hires or wanted.hires)
        except PatchError as error:  # every weight was restored
            if wanted.strict:
                raise
            report = all_skipped(wanted.tags, error)
        self._fresh = True
        return replace(report, notes=(*report.notes, *self._notes)) if wanted.tags else report

    def _apply_each(self) -> RunReport:
        """Every image's networks on the denoiser; the prompts are read later, image by image."""
        wanted = self._wanted
        self._each = self.manager.use_each(
            wanted.images, strict=wanted.strict, hires=wanted.hires)
        self._fresh = True
        return self._each.begun

    def _at_gate(self, module: nn.Module, _: Any) -> None:
        """Before the denoiser or a text encoder computes."""
        if self._fresh and self._stop is None and id(module) in self._parts:
            return
        with self._lock:
            if self._stop is not None:
                raise self._stop
            if self._pass_conditioning:
                self._pass_conditioning = False
                if not self._is_denoiser(module):
                    return
            self._follow_model()

    def _follow_model(self) -> None:
        """What the run wants goes on the model that computes now."""
        wanted = self._wanted
        try:
            model = self.bind()
        except InputError as error:  # it takes no networks, and runs without them
            if wanted.strict and wanted.tags:
                raise
            wanted.told(all_skipped(wanted.tags, error))
            return
        if model is not None and not self._fresh:
            self._each = None
            self.host.forget_conditionings(None)
            wanted.told(self._apply())

    def _not_written(self, error: PatchError) -> None:
        """Networks waited for their weights and are not on: the run goes on without, or stops."""
        with self._lock:
            wanted = self._wanted
            if wanted.strict:
                self._stop = error
                raise error
            self.host.forget_conditionings(None)
            wanted.failed(all_skipped(wanted.tags, error))

    def _is_denoiser(self, module: nn.Module) -> bool:
        model = self.host.model()
        return model is not None and model.denoiser is module
