"""Plans moves, renames and deletions with all companions, and finds every conflict beforehand."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from loradex.catalog.organising.operations import Row, Step
from loradex.catalog.organising.places import Places
from loradex.catalog.organising.portable import MAX_BYTES, fold
from loradex.files.sidecar_names import companions_by_model


@dataclass(frozen=True)
class Target:
    """Where one entry's model file is to go; None for the bin."""

    key: int
    model: Path
    goes_to: Path | None


@dataclass
class Plan:
    """Steps in the order in which they run, companions before their model."""

    steps: list[Step] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    leaving: set[Path] = field(default_factory=set)
    """The companions that move or are copied."""
    conflicts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Folder:
    """The names of one folder, and who of them belongs together."""

    def __init__(self, path: Path) -> None:
        self.arriving: set[str] = set()
        self.leaving: set[str] = set()
        try:
            self.names = tuple(os.listdir(path))  # noqa: PTH208 - bare names
        except OSError:
            self.names = ()

    @cached_property
    def families(self) -> Mapping[str, tuple[str, ...]]:
        """Model -> its companions."""
        return companions_by_model(self.names)

    @cached_property
    def families_then(self) -> Mapping[str, tuple[str, ...]]:
        """The same once the expected models have come and gone."""
        return companions_by_model({*self.names} - self.leaving | self.arriving)

    @cached_property
    def owners(self) -> Mapping[str, list[str]]:
        """Companion -> its models."""
        found: dict[str, list[str]] = defaultdict(list)
        for model, own in self.families.items():
            for name in own:
                found[name].append(model)
        return found

    @cached_property
    def folded(self) -> Mapping[str, list[str]]:
        """Names by what a system without case takes them for."""
        found: dict[str, list[str]] = defaultdict(list)
        for name in self.names:
            found[fold(name)].append(name)
        return found


class Planner:
    """Looks at each folder once; a plan holds for the moment in which it is made.

    A sidecar that a model shares with another of the same stem, which stays, stays as well: it is
    copied along with a move and left alone by a deletion, so that neither model loses it.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._folders: dict[Path, Folder] = {}

    def plan(self, targets: Sequence[Target]) -> Plan:
        """Steps for all targets together."""
        plan = Plan()
        targets = [target for target in targets if target.goes_to != target.model]
        going = {target.model for target in targets}
        self.expect((target.model, target.goes_to) for target in targets)
        for target in targets:
            self._one(plan, target, going)
        plan.steps = list(dict.fromkeys(plan.steps))
        self._find_conflicts(plan)
        return plan

    def folder(self, path: Path) -> Folder:
        """What lies in a folder; nothing where it does not exist yet."""
        if path not in self._folders:
            self._folders[path] = Folder(path)
        return self._folders[path]

    def expect(self, moves: Iterable[tuple[Path | None, Path | None]]) -> None:
        """Where models leave and where they come; tell all before asking for bystanders."""
        for leaves, comes in moves:
            if leaves is not None:
                self.folder(leaves.parent).leaving.add(leaves.name)
            if comes is not None:
                self.folder(comes.parent).arriving.add(comes.name)

    def companions(self, model: Path) -> tuple[str, ...]:
        return self.folder(model.parent).families.get(model.name, ())

    def owners(self, companion: Path) -> set[Path]:
        """The model files to which a companion belongs."""
        owners = self.folder(companion.parent).owners.get(companion.name, ())
        return {companion.with_name(model) for model in owners}

    def bystanders(self, model: Path, leaving: Collection[Path]) -> tuple[str, ...]:
        """Files that will be taken for a model's own when it comes, though they lie there now."""
        there = self.folder(model.parent).families_then.get(model.name, ())
        return tuple(name for name in there if model.with_name(name) not in leaving)

    def _one(self, plan: Plan, target: Target, going: set[Path]) -> None:
        model = target.model
        if not os.path.lexists(model):
            plan.conflicts.append(f"{model.name}: it is no longer there. Let the list catch up.")
            return
        self._places.place(model.parent)
        for name in self.companions(model):
            companion = model.with_name(name)
            # A link that leads nowhere can move, but no bin takes it.
            if companion.is_file() or (target.goes_to and companion.is_symlink()):
                shared = not self.owners(companion) <= going
                self._companion(plan, target, companion, shared)
        action = "move" if target.goes_to else "trash"
        plan.steps.append(Step(model, target.goes_to, action))  # type: ignore[arg-type]
        plan.rows.append(self._row(plan, target))

    def _companion(self, plan: Plan, target: Target, companion: Path, shared: bool) -> None:
        if target.goes_to is None:
            if not shared:
                plan.steps.append(Step(companion, None, "trash"))
            return
        name = companion_name(companion.name, target.model.name, target.goes_to.name)
        if name is None:
            plan.conflicts.append(
                f"{target.model.name}: {companion.name} belongs to it by this very name, so it "
                "would lose it under another. Rename its folder instead."
            )
            return
        goes_to = target.goes_to.with_name(name)
        if goes_to != companion:  # `Ink.pt` may own `ink.json`, and be renamed to `ink.pt`
            plan.steps.append(Step(companion, goes_to, "copy" if shared else "move"))
            plan.leaving.add(companion)

    def _row(self, plan: Plan, target: Target) -> Row:
        stat = target.model.stat() if target.model.exists() else target.model.lstat()
        beside: tuple[str, ...] = ()
        if target.goes_to is not None:
            own = {target.model.with_name(name) for name in self.companions(target.model)}
            beside = self.bystanders(target.goes_to, own & plan.leaving)
            plan.notes += [
                f"{name} lies there already and will be taken for a file of {target.goes_to.name}."
                for name in beside if target.goes_to.with_name(name) not in own
            ]  # fmt: skip
        return Row(target.key, target.model, target.goes_to, stat.st_size, stat.st_mtime_ns, beside)

    def _find_conflicts(self, plan: Plan) -> None:
        """Names are compared without case, so that the answer is the same on every system."""
        taken: dict[tuple[Path, str], Path] = {}
        for step in plan.steps:
            if step.target is None:
                continue
            slot = step.target.parent, fold(step.target.name)
            if slot in taken:
                plan.conflicts.append(
                    f"{step.target.name}: {taken[slot]} and {step.source} would both be that file."
                )
            taken[slot] = step.source
            plan.conflicts += self._conflicts(step.source, step.target)

    def _conflicts(self, source: Path, target: Path) -> Iterable[str]:
        if len(os.fsencode(target.name)) > MAX_BYTES:
            yield f"{target.name}: the name is longer than {MAX_BYTES} bytes. Choose a shorter one."
        for name in self.folder(target.parent).folded.get(fold(target.name), ()):
            if target.with_name(name) != source:
                yield f"{name}: a file of that name is there already. Choose another name."


def companion_name(companion: str, old_model: str, new_model: str) -> str | None:
    """What a companion is called under its model's new name; None where its name is fixed."""
    if old_model == new_model:
        return companion
    old_stem, new_stem = os.path.splitext(old_model)[0], os.path.splitext(new_model)[0]  # noqa: PTH122
    for old, new in ((old_model, new_model), (old_stem, new_stem)):
        if companion[: len(old)].lower() == old.lower():
            return new + companion[len(old) :]
    return None
