"""The handler of `<lora:>` tags: what the WebUI calls before each batch and each second pass."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from loradex.errors import InputError, LoradexError, PromptError
from loradex.networks.report import Applied, RunReport
from loradex.prompts.tags import LoraTag, tag_of_items
from loradex.webui.applier import Applier, Wanted
from loradex.webui.each_image import params_by_image, read_again, why_not
from loradex.webui.environment import option, switch
from loradex.webui.rows import unreadable, with_rows
from loradex.webui.takeover import NAME

if TYPE_CHECKING:
    from loradex.webui.conditioning import Conditionings
    from loradex.webui.embeddings import Embeddings
    from loradex.webui.reporting import Reporter

NO_DEFAULT = "None"


class Fallback(Protocol):
    """Who serves a model that the engine cannot."""

    def serve(self, processing: Any, params: Sequence[Any], reason: str) -> None: ...
    def dismiss(self) -> None: ...


class LoraExtraNetwork:
    """Has the three members that the WebUI expects of an extra network."""

    name = NAME

    def __init__(
        self, applier: Applier, embeddings: Embeddings, conditionings: Conditionings,
        reporter: Reporter, fallback: Fallback,
    ) -> None:
        self._applier = applier
        self._embeddings = embeddings
        self._conditionings = conditionings
        self._reporter = reporter
        self._fallback = fallback
        self._unread: list[list[Applied]] = []
        """By image, the rows of tags that could not be read; empty where all have the same tags."""

    def activate(self, processing: Any, params: list[Any]) -> None:
        """Makes the weights what the tags say; with no tags, the checkpoint's own.

        The WebUI swallows whatever is raised here and goes on without networks, so nothing is:
        a strict run is stopped at the first computation instead.
        """
        if getattr(processing, "all_prompts", None) is None:
            self._rest(processing, params)
            return
        _add_default(processing, params)
        try:
            if self._applier.bind() is None:
                return
        except InputError as error:
            self._conditionings.changed(processing, None)
            self._fallback.serve(processing, params, str(error))
            self._reporter.unserved(processing, str(error), bool(params))
            return
        self._fallback.dismiss()
        self._run(processing, params)

    def deactivate(self, processing: Any) -> None:
        """The networks stay on until a run wants others: the next one often wants the same."""

    def _rest(self, processing: Any, params: list[Any]) -> None:
        """A model is being loaded and encodes its empty prompt."""
        try:
            if self._applier.bind() is not None:
                self._applier.rest()
        except InputError as error:
            self._fallback.serve(processing, params, str(error))

    def sampling(self, processing: Any, c: Any, uc: Any) -> None:
        """The conditionings are there, and the denoiser is about to be called."""
        unread, self._unread = self._unread, []
        if not unread:
            return
        try:
            reports = self._applier.read_each(
                lambda encode: read_again(processing, c, uc, encode))
        except LoradexError as error:
            self._reporter.unserved(processing, str(error), wanted=True)
            return
        finally:
            self._conditionings.changed(processing, None)
        if reports:
            self._reporter.tell_each(processing, [
                with_rows(report, rows) for report, rows in zip(reports, unread, strict=True)])

    def _run(self, processing: Any, params: list[Any]) -> None:
        strict, force = switch("loradex_strict", False), switch("loradex_force", False)
        tags, bad = _read(params)
        rows = [unreadable(text, error) for text, error in bad]
        run = weakref.ref(processing)

        def told(report: RunReport) -> None:
            self._reporter.taken_over(run(), with_rows(report, rows))

        def failed(report: RunReport) -> None:
            self._reporter.withdrawn(run(), with_rows(report, rows))

        try:
            if bad and strict:
                raise bad[0][1]
            hires = _for_second_pass(processing, params)
            images, note = self._by_image(processing, strict)
            report = self._applier.use(Wanted(tags, strict, force, hires, told, failed, images))
        except LoradexError as error:
            self._unread = []
            self._applier.stop_run(error)
            self._conditionings.changed(processing, None)
            self._reporter.stopped(processing, error)
            return
        notes = [*self._embeddings.serve(report, self._applier), *note]
        self._conditionings.changed(processing, None if images else report)
        if not images:
            report = with_rows(report, rows)
            self._reporter.tell(processing, _noted(report, notes))

    def _by_image(
        self, processing: Any, strict: bool
    ) -> tuple[tuple[tuple[LoraTag, ...], ...], list[str]]:
        """The tags of each image where they differ, or a note where that is not possible."""
        self._unread = []
        images = params_by_image(processing, self)
        reason = why_not(processing, self._applier.host) if images else ""
        if reason:
            return (), ["the images of this batch name different LoRAs, and those of the first "
                        f"are on all of them: {reason}"]
        read = [_read(params) for params in images]
        for _, bad in read:
            if bad and strict:
                raise bad[0][1]
        self._unread = [[unreadable(text, error) for text, error in bad] for _, bad in read]
        return tuple(tags for tags, _ in read), []


def _for_second_pass(processing: Any, params: Sequence[Any]) -> bool:
    """Whether these are the tags of hires fix's second pass.

    Forge, and AUTOMATIC1111 with --lowvram or --medvram, encode its prompt ahead of the first
    pass: between two calls with the first pass's tags they make one with those of the second
    (modules/processing.py, `setup_conds`), while `is_hr_pass` is not set yet.
    """
    if getattr(processing, "is_hr_pass", False):
        return True
    second = getattr(processing, "hr_extra_network_data", None) or {}
    ahead = {id(one) for group in second.values() for one in group}
    return any(id(one) in ahead for one in params)


def _read(params: Sequence[Any]) -> tuple[tuple[LoraTag, ...], list[tuple[str, PromptError]]]:
    """The tags that can be read, and the others with what is wrong with them."""
    tags: list[LoraTag] = []
    bad: list[tuple[str, PromptError]] = []
    for one in params:
        try:
            tags.append(tag_of_items(one.items))
        except PromptError as error:
            bad.append((str(one.items[0] if one.items else "") or "<lora:>", error))
    return tuple(tags), bad


def _add_default(processing: Any, params: list[Any]) -> None:
    """The network of the setting "Add network to prompt", unless the prompt names it.

    It goes into the prompts too, so that the infotext tells the whole truth.
    """
    name = str(option("sd_lora", NO_DEFAULT))
    if name in ("", NO_DEFAULT) or any(str(one.items[0]) == name for one in params if one.items):
        return
    from modules import extra_networks

    strength = option("extra_networks_default_multiplier", 1.0)
    if not getattr(processing, "is_hr_pass", False):  # these are the first pass's prompts
        prompts = processing.all_prompts
        processing.all_prompts = [f"{prompt}<lora:{name}:{strength}>" for prompt in prompts]
    params.append(extra_networks.ExtraNetworkParams(items=[name, str(strength)]))


def _noted(report: RunReport, notes: Sequence[str]) -> RunReport:
    return RunReport(report.applied, report.seconds, (*report.notes, *notes))


