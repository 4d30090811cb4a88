"""Says what a run's networks did: in the infotext, in the console, as comments, and for the API."""

from __future__ import annotations

import time
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

from loradex.errors import LoradexError
from loradex.networks.report import RunReport
from loradex.webui.environment import switch
from loradex.webui.hash_source import HashSource

KEY, SECOND_PASS_KEY, REFINER_KEY = "Loradex", "Loradex hires", "Loradex refiner"
HASHES = "Lora hashes"


class Reporter:
    """Keeps the last report, and tells each where people and programs look."""

    def __init__(self, hashes: HashSource) -> None:
        self._hashes = hashes
        self._last: Mapping[str, Any] = {"applied": [], "notes": [], "seconds": 0.0, "stopped": ""}
        self._printed: tuple[weakref.ref[Any] | None, object] = (None, None)

    @property
    def last(self) -> Mapping[str, Any]:
        """The report of the last run as the API gives it."""
        return self._last

    def tell(self, processing: Any, report: RunReport) -> None:
        """A run begins with these networks on."""
        self._keep(report.as_dict(), "")
        for remark in report.remarks():
            processing.comment(f"Loradex: {remark}")
        if not report.applied:
            return
        self._write_infotext(processing, report)
        line = "; ".join(row.line() for row in report.applied)
        # The time differs from batch to batch; what was applied does not.
        said = [(row.name, row.share, row.skipped) for row in report.applied]
        self._print(processing, line, said)

    def withdrawn(self, processing: Any, report: RunReport) -> None:
        """What was told is not so: the networks could not be written when their weights came."""
        if processing is not None:
            _params(processing).pop(HASHES, None)
            self.tell(processing, report)

    def tell_each(self, processing: Any, reports: Sequence[RunReport]) -> None:
        """The images of a batch are drawn with networks of their own."""
        rows = {(row.id, row.name, row.dyn_dim): row for one in reports for row in one.applied}
        notes = [note for one in reports for note in one.notes]
        union = RunReport(tuple(rows.values()), max(one.seconds for one in reports),
                          tuple(dict.fromkeys(notes)))
        self._keep(union.as_dict(), "")
        self._write_each(processing, reports)
        for number, report in enumerate(reports, 1):
            for remark in report.remarks():
                processing.comment(f"Loradex: image {number}: {remark}")
        lines = ["; ".join(row.line() for row in one.applied) or "no LoRA" for one in reports]
        line = "; ".join(f"image {number}: {one}" for number, one in enumerate(lines, 1))
        self._print(processing, line, [
            (row.name, row.share, row.skipped) for one in reports for row in one.applied])

    def _write_each(self, processing: Any, reports: Sequence[RunReport]) -> None:
        """Fields as lists with a value for each image of the run, which the WebUI picks from."""
        params = _params(processing)
        place = processing.iteration * processing.batch_size
        told = [report.infotext(self._hashes.of(report)) for report in reports]
        lines = [one[KEY] for one in told]
        if getattr(processing, "is_hr_pass", False):
            first = _spread(params.get(KEY), place + len(lines))[place:]
            lines = [None if one == same else one for one, same in zip(lines, first, strict=True)]
            fields = {SECOND_PASS_KEY: lines}
        else:
            fields = {KEY: lines, HASHES: [one[HASHES] for one in told]}
            if not switch("lora_add_hashes_to_infotext", True):
                del fields[HASHES]
        for key, values in fields.items():
            if any(values):
                params[key] = [*_spread(params.get(key), place)[:place], *values]

    def taken_over(self, processing: Any, report: RunReport) -> None:
        """Another model goes on with the run, as a refiner does, and may take less of it."""
        told = report.infotext({})[KEY]
        params = {} if processing is None else _params(processing)
        if not told or told in (params.get(KEY), params.get(SECOND_PASS_KEY)):
            return
        params[REFINER_KEY] = told
        remarks = [f"refiner: {remark}" for remark in report.remarks()]
        for remark in remarks if processing is not None else ():
            processing.comment(f"Loradex: {remark}")
        self._last = {**self._last, "notes": [*self._last["notes"], *remarks]}
        print(f"Loradex: refiner: {told}")  # noqa: T201

    def stopped(self, processing: Any, error: LoradexError) -> None:
        """A strict run was stopped."""
        self._keep(RunReport().as_dict(), str(error))
        _params(processing)[KEY] = f"stopped: {error}"
        processing.comment(f"Loradex: {error}")
        self._print(processing, f"stopped: {error}", str(error))

    def unserved(self, processing: Any, reason: str, wanted: bool) -> None:
        """The engine cannot serve the model that is loaded."""
        self._keep(RunReport(notes=(reason,)).as_dict(), "")
        if wanted:
            _params(processing)[KEY] = f"off: {reason}"
            processing.comment(f"Loradex: {reason}")
            self._print(processing, reason, reason)

    def _keep(self, report: dict[str, Any], stopped: str) -> None:
        self._last = {**report, "stopped": stopped, "time": round(time.time(), 3)}

    def _write_infotext(self, processing: Any, report: RunReport) -> None:
        """The counts, and the hashes as the built-in writes them.

        The second pass of hires fix has a field of its own where it differs; hashes add up.
        """
        params = _params(processing)
        second = bool(getattr(processing, "is_hr_pass", False))
        fields = report.infotext(self._hashes.of(report))
        told = fields[KEY]
        if told and not second:
            params[KEY] = told
        elif told and told != params.get(KEY):
            params[SECOND_PASS_KEY] = told
        hashes = fields[HASHES]
        if hashes and switch("lora_add_hashes_to_infotext", True):
            before = params.get(HASHES) if second else None
            if not isinstance(before, list):  # those of images with networks of their own stay
                params[HASHES] = _joined(before, hashes)

    def _print(self, processing: Any, line: str, said: object) -> None:
        """One line for a run, however many batches say the same."""
        run, before = self._printed
        if run is None or run() is not processing or said != before:
            self._printed = (weakref.ref(processing), said)
            print(f"Loradex: {line}")  # noqa: T201 - the WebUI's console is where users look


def _params(processing: Any) -> dict[str, Any]:
    params: dict[str, Any] = processing.extra_generation_params
    return params


def _joined(first: str | None, second: str) -> str:
    """Two lists of `name: hash`, each pair once."""
    pairs = dict.fromkeys((first.split(", ") if first else []) + second.split(", "))
    return ", ".join(pairs)


def _spread(value: Any, images: int) -> list[Any]:
    """A field's values for at least the first `images` of a run."""
    values = list(value) if isinstance(value, list) else [value] * images
    return values + [None] * (images - len(values))
