"""The tags of a run as uses of networks: their entries at any moment, and what moves with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from loradex.networks.block_weights import BlockWeights, block_weights, silenced
from loradex.networks.network import Network
from loradex.networks.patcher import Patcher, StackEntry
from loradex.networks.report import Applied, RunReport
from loradex.prompts.curves import BEGIN, Moment
from loradex.prompts.presets import Presets
from loradex.prompts.tags import LoraTag


@dataclass(frozen=True)
class Use:
    """What became of one tag: its network and the seconds to load it, or why there is none.

    The reason is kept in words: an error would hold what was read of the file, by its traceback.
    """

    tag: LoraTag
    network: Network | None
    seconds: float = 0.0
    reason: str = ""
    blocks: BlockWeights | None = None
    notes: tuple[str, ...] = ()

    def entry(self, network: Network, moment: Moment, hires: bool) -> StackEntry:
        """Its place in the stack in one step; text encoders have read the prompt at the begin."""
        tag, schedule = self.tag, self.tag.schedule
        if schedule is None:
            return StackEntry(network, tag.te_strength, tag.unet_strength, tag.dyn_dim,
                              self.blocks)
        return StackEntry(network, schedule.te_at(hires), schedule.unet_at(moment, hires),
                          tag.dyn_dim, self.blocks, scheduled=True)


def made_use(
    tag: LoraTag, network: Network, seconds: float, presets: Presets, patcher: Patcher
) -> Use:
    """The use of a loaded network on the model of a patcher.

    Raises:
        PromptError: the tag asks for block weights that do not exist or do not fit.
    """
    blocks = block_weights(tag, presets, patcher.model)
    if blocks is None or not tag.lbw:
        return Use(tag, network, seconds, blocks=blocks)
    count = len(presets.weights(tag.lbw, tag.text, tag.lbw_x))
    note = silenced(tag, blocks, count, patcher.plan(network).edits)
    return Use(tag, network, seconds, blocks=blocks, notes=(note,) if note else ())


@dataclass
class Run:
    """The uses of a run on one model, and where the run is."""

    patcher: Patcher
    uses: Sequence[Use]
    strict: bool = False
    force: bool = False
    hires: bool = False
    """Whether the text encoders have read the prompt of the second pass."""
    _on: tuple[float, ...] = field(default=(), repr=False)

    @property
    def moves(self) -> bool:
        """Whether a step can be another stack than the begin."""
        return any(use.network is not None and use.tag.schedule is not None for use in self.uses)

    def begin(self) -> RunReport:
        """Puts the networks on as the pass begins."""
        stack = self._stack(BEGIN, self.hires)
        report = self.patcher.apply(stack, strict=self.strict, force=self.force)
        self._on = tuple(one.unet_strength for one in stack)
        loading = {one.network.id: one.seconds for one in self.uses if one.network is not None}
        rows = {
            (row.id, row.dyn_dim): replace(row, seconds=row.seconds + loading[row.id])
            for row in report.applied
        }
        return replace(
            report, applied=tuple(in_order(self.uses, rows)),
            seconds=report.seconds + sum(use.seconds for use in self.uses),
        )

    def step(self, moment: Moment, hires: bool) -> None:
        """Rebuilds what the step has otherwise than what is on."""
        stack = self._stack(moment, hires)
        strengths = tuple(one.unet_strength for one in stack)
        if strengths != self._on:
            self.patcher.apply(stack, strict=self.strict, force=self.force)
            self._on = strengths

    def _stack(self, moment: Moment, hires: bool) -> list[StackEntry]:
        found = stack_of(self.uses, moment, hires)
        if hires == self.hires:
            return found
        read = stack_of(self.uses, moment, self.hires)
        return [replace(one, te_strength=other.te_strength)
                for one, other in zip(found, read, strict=True)]


def stack_of(uses: Sequence[Use], moment: Moment, hires: bool = False) -> list[StackEntry]:
    """The entries in one step of the uses that have a network."""
    return [use.entry(use.network, moment, hires) for use in uses if use.network is not None]


def in_order(
    uses: Sequence[Use], rows: Mapping[tuple[str, int | None], Applied]
) -> list[Applied]:
    """One row per tag in the prompt's order, by the name that the tag gives.

    Tags of one network share the row of their sum.
    """
    found: dict[object, Applied] = {}
    for use in uses:
        tag = use.tag
        if use.network is None:
            row = Applied("", tag.name, tag.te_strength, tag.unet_strength, skipped=use.reason)
            found.setdefault((tag.name, use.reason), row)
        else:
            key = (use.network.id, tag.dyn_dim)
            row = found.setdefault(key, replace(rows[key], name=tag.name))
            if not row.skipped:
                found[key] = replace(row, notes=_more(row.notes, use.notes),
                                     options=_more(row.options, tag.options))
    return list(found.values())


def _more(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))
