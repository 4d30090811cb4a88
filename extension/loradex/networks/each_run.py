"""A run whose images have networks of their own: prompts are read in turn, all drawn at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from loradex.networks.patcher import Patcher, StackEntry
from loradex.networks.report import Applied, RunReport
from loradex.networks.uses import Use, in_order, stack_of
from loradex.prompts.curves import BEGIN, Moment

_Row = tuple[str, int | None]


@dataclass
class EachRun:
    """The uses of every image of a batch on one model.

    `begin` says which networks can be used, `encode` is called for each image before its prompt
    is read, and `draw` before the denoiser is called with all of them.
    """

    patcher: Patcher
    images: Sequence[Sequence[Use]]
    strict: bool = False
    hires: bool = False
    """Whether it is the second pass of hires fix."""
    _drawn: list[dict[_Row, Applied]] = field(default_factory=list, repr=False)
    _read: dict[int, dict[_Row, Applied]] = field(default_factory=dict, repr=False)

    @property
    def moves(self) -> bool:
        """Whether a step can be other stacks than the begin."""
        return any(use.network is not None and use.tag.schedule is not None
                   for uses in self.images for use in uses)

    def begin(self) -> None:
        """Every network against the model; with `strict` the first that cannot be used raises."""
        reports = self.patcher.apply_each(self._stacks(BEGIN, self.hires), strict=self.strict)
        self._drawn = [_rows(report) for report in reports]

    @property
    def begun(self) -> RunReport:
        """Every network of the batch once, as it is on the denoiser."""
        once = {key: row for rows in self._drawn for key, row in rows.items()}
        return RunReport(tuple(once.values()))

    def encode(self, image: int) -> None:
        """The text encoders as this image's prompt wants them, the denoiser the checkpoint's."""
        skipped = {key for key, row in self._drawn[image].items() if row.skipped}
        stack = [
            replace(entry, unet_strength=0.0, scheduled=False)
            for entry in stack_of(self.images[image], BEGIN, self.hires)
            if (entry.network.id, entry.dyn_dim) not in skipped
        ]
        self._read[image] = _rows(self.patcher.apply(stack, strict=self.strict))

    def draw(self) -> tuple[RunReport, ...]:
        """The denoiser with every image's own networks; what became of them, image by image."""
        self.patcher.apply_each(self._stacks(BEGIN, self.hires), strict=self.strict)
        return tuple(self._report(image) for image in range(len(self.images)))

    def step(self, moment: Moment, hires: bool) -> None:
        """Other strengths where a step has them."""
        self.patcher.apply_each(self._stacks(moment, hires), strict=self.strict)

    def _stacks(self, moment: Moment, hires: bool) -> list[list[StackEntry]]:
        return [stack_of(uses, moment, hires) for uses in self.images]

    def _report(self, image: int) -> RunReport:
        uses, read = self.images[image], self._read.get(image, {})
        rows = {key: _joined(row, read.get(key)) for key, row in self._drawn[image].items()}
        return RunReport(tuple(in_order(uses, rows)))


def _rows(report: RunReport) -> dict[_Row, Applied]:
    return {(row.id, row.dyn_dim): row for row in report.applied}


def _joined(drawn: Applied, read: Applied | None) -> Applied:
    """The counts of the denoiser and of the text encoders in one row."""
    if read is None or drawn.skipped:
        return drawn
    return replace(
        drawn, te_strength=read.te_strength, seconds=drawn.seconds + read.seconds,
        components={**drawn.components, **read.components},
        notes=tuple(dict.fromkeys((*drawn.notes, *read.notes))),
    )
