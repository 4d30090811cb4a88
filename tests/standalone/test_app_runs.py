"""A run is followed from the page, stopped from the page, and never left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

import pytest
from loradex.errors import CancelledError, InputError

from standalone.records import GenerationRequest, GenerationResult, Progress
from standalone.session import Session
from standalone.ui.runs import Run, Runs

REQUEST = GenerationRequest("a red circle", steps=3)


class Steps:
    """Takes the place of a session: counts steps as far as it is let, and can be stopped."""

    def __init__(self, *, fault: Exception | None = None, endless: bool = False) -> None:
        self.fault = fault
        self.endless = endless
        self.previews: list[int] = []
        self.threads: list[threading.Thread] = []

    def generate(
        self,
        request: GenerationRequest,
        on_progress: Callable[[Progress], None],
        cancelled: threading.Event,
    ) -> GenerationResult:
        self.threads.append(threading.current_thread())
        for step in range(1, request.steps + 1):
            on_progress(Progress(1, 1, step, request.steps, "", lambda s=step: self._preview(s)))
        if self.endless and not cancelled.wait(20):
            pytest.fail("nobody stopped the run")
        if cancelled.is_set():
            raise CancelledError("generation", "stopped by the user")
        if self.fault:
            raise self.fault
        return GenerationResult((), None, 0.1)

    def _preview(self, step: int) -> Any:
        self.previews.append(step)
        return f"preview of step {step}"


def start(steps: Steps) -> Run:
    return Run(cast(Session, steps), REQUEST)


def ended(steps: Steps) -> bool:
    for thread in steps.threads:
        thread.join(10)
    return not any(thread.is_alive() for thread in steps.threads)


def test_a_run_is_followed_to_its_end() -> None:
    steps = Steps()
    run = start(steps)
    seen = list(run.follow())
    assert not seen or seen[-1].progress.step == 3
    assert run.result().seconds == 0.1
    assert ended(steps)


def test_previews_are_rationed_and_the_first_one_comes_at_once() -> None:
    steps = Steps()
    run = start(steps)
    list(run.follow())
    run.result()
    assert steps.previews == [1]


def test_a_slow_page_sees_the_newest_step_only() -> None:
    steps = Steps(endless=True)
    run = start(steps)
    while run._news.qsize() < 3:
        pass
    looks = run.follow()
    assert next(looks).progress.step == 3
    run.cancelled.set()
    assert list(looks) == []


def test_a_fault_arrives_where_the_result_is_asked_for() -> None:
    run = start(Steps(fault=InputError("width", "130")))
    list(run.follow())
    with pytest.raises(InputError, match="130"):
        run.result()


def test_a_page_that_goes_away_stops_its_run() -> None:
    steps = Steps(endless=True)
    run = start(steps)
    looks = run.follow()
    next(looks)
    cast(Any, looks).close()
    assert ended(steps)


def test_cancel_stops_the_run_of_its_own_tab_only() -> None:
    steps = Steps(endless=True)
    runs = Runs(cast(Session, steps))
    mine, other = runs.start("mine", REQUEST), runs.start("other", REQUEST)
    runs.cancel("nobody")
    runs.cancel("mine")
    list(mine.follow())
    with pytest.raises(CancelledError):
        mine.result()
    assert not other.cancelled.is_set()
    runs.end("mine", mine)
    runs.cancel("mine")
    runs.cancel_all()
    assert ended(steps)
