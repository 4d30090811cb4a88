"""Applies a stack of networks to a loaded model, and takes it off again bit for bit.

Live weights are a function of the base and the stack alone. A stack is checked whole before the
first write; when a write fails, the weights are the checkpoint's again before the error is raised.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from weakref import WeakKeyDictionary

import torch
from torch import nn

from loradex.errors import NetworkError, PatchError
from loradex.networks import spares
from loradex.networks.branches import Branches
from loradex.networks.merge import Work, exact_math
from loradex.networks.model import BoundModel, Place
from loradex.networks.network import Network, Stamp
from loradex.networks.outcome import Rows, patch_error, run_report
from loradex.networks.per_image import check_model, check_plan, image_by_image, of_denoiser
from loradex.networks.plan import Plan, make_plan
from loradex.networks.recipe import Recipe, StackEntry, combined, make_recipes
from loradex.networks.report import Applied, RunReport
from loradex.networks.residency import Residency
from loradex.networks.weights import Weights

__all__ = ["Patcher", "StackEntry", "Work"]


class Patcher:
    """The one writer of a model's weights; every call holds the model's lock."""

    def __init__(self, model: BoundModel, residency: Residency | None = None) -> None:
        self.model = model
        self.residency = residency or Residency()
        self.lock = threading.RLock()
        self.work = Work()
        """What the last call did."""
        self.failed: Callable[[PatchError], None] | None = None
        """Told when recipes that waited for their weights cannot be written and all were restored;
        without anybody to tell, the layer that was about to compute raises."""
        self._weights = Weights(model, self.residency, self._arrived)
        self._slots = self._weights.slots
        self._branches = Branches()
        self._plans: WeakKeyDictionary[Network, Plan] = WeakKeyDictionary()
        self._asked: tuple[object, ...] | None = ()
        self._report = RunReport()
        self._notes: tuple[str, ...] = ()
        """What was found before a recipe was written that had waited; the next report has it."""

    @property
    def active(self) -> bool:
        """Whether any weight differs from the checkpoint's."""
        return bool(self._weights) or bool(self._branches)

    def plan(self, network: Network) -> Plan:
        """The plan of a network on this model, made once."""
        with self.lock, exact_math(()):
            plan = self._plans.get(network)
            if plan is None or not all(edit.is_current for edit in plan.edits):
                plan = self._plans[network] = make_plan(network, self.model)
            return plan

    def apply(
        self, stack: Sequence[StackEntry], *, strict: bool = False, force: bool = False
    ) -> RunReport:
        """Makes the weights what this stack says, whatever was applied before.

        A network that does not fit is left out and named in the report; with `strict` it raises
        before anything is written. `PatchError` means that every weight is the checkpoint's.
        """
        with self.lock:
            begun = time.perf_counter()
            self.work = Work()
            notes = self._reconcile()
            self._make_room()
            entries = combined(stack)
            asked = (*(entry.key for entry in entries), strict, force)
            if asked == self._asked and not notes:
                return self._unchanged(begun)
            with self._or_base():
                rows, recipes = self._checked(entries, strict, force)
            beside = {place: (one,) for place, one in recipes.items() if one.beside}
            merged = {place: one for place, one in recipes.items() if not one.beside}
            shares = self._write(merged, beside)
            report = run_report(stack, rows, shares, time.perf_counter() - begun, notes)
            self._asked, self._report = asked, report
            return report

    def apply_each(
        self, stacks: Sequence[Sequence[StackEntry]], *, strict: bool = False
    ) -> tuple[RunReport, ...]:
        """Image i of every batch that the denoiser is given has stack i; no weight is written.

        Image i is row i, i + n ... of a batch, n being the number of stacks. The text encoders
        are the checkpoint's: prompts are encoded one by one, each under `apply`.
        """
        with self.lock:
            begun = time.perf_counter()
            self.work = Work()
            notes = self._reconcile()
            check_model(self.model)
            own = [of_denoiser(stack) for stack in stacks]
            with self._or_base():
                checked = [self._checked(combined(one), strict, False, check_plan) for one in own]
            self._asked = None
            shares = self._write({}, image_by_image([recipes for _, recipes in checked]))
            seconds = time.perf_counter() - begun
            return tuple(run_report(stack, rows, shares, seconds, notes)
                         for stack, (rows, _) in zip(own, checked, strict=True))

    def restore(self) -> None:
        """The checkpoint's own weights again; the buffers are kept for the next stack."""
        with self.lock:
            self.work = Work()
            notes = self._reconcile()
            self._weights.restore(self.work)
            self.work.slots_restored += self._branches.restore()
            self._asked, self._report = (), RunReport(notes=notes)

    def release_spare(self) -> int:
        """Gives back the buffers that no applied network uses; returns their bytes."""
        with self.lock:
            return spares.release(self._slots)

    def release_base(self, wanted: int) -> int:
        """Moves the checkpoint's values of changed weights to main memory; returns their bytes.

        For a host whose card is full. The networks stay on; the next switch takes longer.
        """
        with self.lock:
            return self.residency.release(self._slots.values(), wanted)

    def factor_bytes(self, network: Network) -> int:
        """Bytes of the factors that are kept to apply a network again without making them."""
        with self.lock:
            plan = self._plans.get(network)
            return 0 if plan is None else sum(edit.factor_bytes for edit in plan.edits)

    def buffer_bytes(self) -> tuple[int, int, int]:
        """Bytes that the networks that are on take, in weights or beside them, and of spares.

        The third are the bytes of the checkpoint's values that wait in main memory.
        """
        with self.lock:
            live, spare = spares.counted(self._slots.values())
            away = sum(slot.away_bytes for slot in self._slots.values())
            return live + self._branches.nbytes, spare, away

    @contextmanager
    def patched(
        self, stack: Sequence[StackEntry], *, strict: bool = False, force: bool = False
    ) -> Iterator[RunReport]:
        """The stack is on inside the `with` block only, whatever the block raises."""
        try:
            yield self.apply(stack, strict=strict, force=force)
        finally:
            self.restore()

    def _checked(
        self, entries: Sequence[StackEntry], strict: bool, force: bool,
        also: Callable[[Plan], None] = lambda _: None,
    ) -> tuple[Rows, dict[Place, Recipe]]:
        """What becomes of each entry, and the recipes of those that fit."""
        rows: Rows = {}
        plans: dict[Stamp, Plan] = {}
        for entry in entries:
            row, plan = self._check(entry, strict, force, also)
            rows[entry.identity] = row
            if plan is not None:
                plans[entry.network.stamp] = plan
        fitting = [entry for entry in entries if not rows[entry.identity].skipped]
        return rows, make_recipes(fitting, plans)

    def _check(
        self, entry: StackEntry, strict: bool, force: bool, also: Callable[[Plan], None]
    ) -> tuple[Applied, Plan | None]:
        """What becomes of an entry, with its plan unless it is left out."""
        network = entry.network
        row = Applied(
            network.id, network.name, entry.te_strength, entry.unet_strength, dyn_dim=entry.dyn_dim,
            version=network.stamp[1:], bundled=tuple(network.embeddings), weighed=entry.weighed,
        )
        try:
            plan = self.plan(network)
            notes = plan.checked(strict, force)
            also(plan)
        except NetworkError as error:
            if strict:
                raise
            return replace(row, skipped=str(error)), None
        counts = {name: count for name, count in plan.counts.items() if entry.acts_on(name)}
        return replace(row, components=counts, notes=notes), plan

    def _reconcile(self) -> tuple[str, ...]:
        """Looks at every slot's parameter; weights that others replaced are the new base."""
        moved, lost = self._weights.reconcile()
        if moved:
            self._asked = None
        lost += self._branches.reconcile()
        if lost:
            self._asked = None
            self._plans.clear()
        earlier, self._notes = self._notes, ()
        return earlier + tuple(
            f"{count} weights of {component} were replaced by another tool; "
            "they are the base from now on"
            for component, count in lost.items()
        )

    def _make_room(self) -> None:
        """Before a picture on a card that is nearly full, what is kept for speed leaves it."""
        for device, lacking in self.residency.shortage(self._slots.values()).items():
            spare = spares.release(self._slots)
            self.residency.release(self._slots.values(), lacking - spare, device)

    def _unchanged(self, begun: float) -> RunReport:
        rows = tuple(replace(row, seconds=0.0) for row in self._report.applied)
        return RunReport(rows, time.perf_counter() - begun)

    def _write(
        self, merged: Mapping[Place, Recipe], beside: Mapping[Place, Sequence[Recipe | None]]
    ) -> Counter[Stamp]:
        """Restores, rebuilds and counts per network how many edits were redone."""
        with self._or_nothing():
            todo = self._weights.put(merged, self.work)
            redone = self._branches.put(beside)
        self.work.branches_set += len({id(step.edit.place) for step in redone})
        redone += [step for _, recipe in todo for step in recipe.steps]
        return Counter(step.edit.stamp for step in redone)

    def _arrived(self, module: nn.Module) -> None:
        """Before a layer computes whose recipe waited for its weights to come to the device."""
        try:
            with self.lock, self._or_nothing():
                self._notes = self._reconcile()
                self._weights.arrive(module, self.work)
        except PatchError as error:
            if self.failed is None:
                raise
            self.failed(error)

    @contextmanager
    def _or_nothing(self) -> Iterator[None]:
        """Whatever fails, every weight is the checkpoint's before the error is raised."""
        try:
            yield
        except BaseException as error:
            self._give_up()
            if isinstance(error, Exception):
                raise patch_error(error) from error
            raise

    @contextmanager
    def _or_base(self) -> Iterator[None]:
        """Where a card has no room even for the plans, every weight is the checkpoint's."""
        try:
            yield
        except torch.cuda.OutOfMemoryError as error:
            self._give_up()
            raise patch_error(error) from error

    def _give_up(self) -> None:
        """The checkpoint's own weights, whatever was under way."""
        self._weights.give_up()
        self._branches.restore()
        self._asked, self._report = (), RunReport()
