"""What the page shows of a run is readable, complete and harmless."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loradex.errors import InputError
from loradex.networks.report import Applied, Count, RunReport

from standalone.records import GeneratedImage, GenerationResult, Progress
from standalone.ui import panels
from standalone.ui.runs import Seen

OURS = (
    r"</?(div|p|b|table|thead|tbody|tr|th|td|ul|li|code|progress)"
    r'( [\w-]+="[^"<>]*")*>'
)
HOSTILE = '<img src=x onerror="alert(1)">'


def text_of(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", " ", html))


def result(*applied: Applied, messages: tuple[str, ...] = ()) -> GenerationResult:
    return GenerationResult((), RunReport(applied), 1.0, messages)


def test_the_report_counts_layers_of_each_component() -> None:
    ink = Applied("ink", "ink", 0.5, 0.8, {"unet": Count(64, 64), "te": Count(12, 12)}, 0.031)
    shown = text_of(panels.summary(result(ink)))
    for part in ("ink", "0.5 / 0.8", "64/64", "12/12", "0.03 s", "UNet", "Text encoder"):
        assert part in shown


def test_a_skipped_network_keeps_its_reason_beside_the_others() -> None:
    good = Applied("ink", "ink", components={"unet": Count(1, 2)}, notes=("1 layer unknown",))
    bad = Applied("xl", "xl", skipped="xl is an SDXL LoRA; the loaded checkpoint is SD 1.5.")
    off = Applied("zero", "zero", 0.0, 0.0)
    shown = text_of(panels.summary(result(good, bad, off, messages=("CLIP skip was cut",))))
    for part in ("1/2", "1 layer unknown", "xl is an SDXL LoRA", "off", "CLIP skip was cut"):
        assert part in shown


def test_without_networks_the_report_says_so() -> None:
    assert "No LoRA" in text_of(panels.summary(result()))


@given(st.text())
def test_nothing_that_a_file_or_user_says_becomes_html(words: str) -> None:
    for told in (words, HOSTILE + words):
        one = Applied(told, told, skipped=told)
        two = Applied(told, told, components={told: Count(1, 1)}, notes=(told,))
        image = GeneratedImage(cast(None, None), 1, told, Path(f"{told}.png".replace("\0", "")))
        pages = [
            panels.summary(result(one, two, messages=(told,))),
            panels.fault(InputError(told, told, told, told)),
            panels.running(Seen(Progress(1, 1, 0, 20, told), None)),
            panels.saved(image, 1.0),
        ]
        for page in pages:
            assert "<img" not in page
            assert "<" not in re.sub(OURS, "", page)


def test_progress_names_the_picture_and_the_step() -> None:
    page = panels.running(Seen(Progress(2, 3, 5, 20), None))
    assert "Picture 2 of 3, step 5 of 20" in page
    assert 'value="0.417"' in page
    waiting = panels.running(Seen(Progress(0, 1, 0, 20, "Waiting for the running one"), None))
    assert "Waiting for the running one" in waiting
    assert "value=" not in waiting


def test_the_preview_is_part_of_the_page() -> None:
    image = pytest.importorskip("PIL.Image").new("RGB", (8, 8), "red")
    assert 'src="data:image/jpeg;base64,' in panels.running(Seen(Progress(1, 1, 1, 2), image))


def test_a_fault_of_ours_points_to_the_terminal() -> None:
    assert "terminal" in panels.unexpected(ValueError("secret"))
    assert "secret" not in panels.unexpected(ValueError("secret"))
