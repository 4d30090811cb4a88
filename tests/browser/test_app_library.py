"""A person at the LoRAs tab of the standalone: pick one, draw with it, see what it did."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("playwright")

from tests.browser.app_in_browser import first_card, looking_at, serving

pytestmark = [pytest.mark.browser, pytest.mark.torch, pytest.mark.timeout(300)]
WAIT_MS = 60_000


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("working directory")) as address:
        yield address


@pytest.fixture
def page(app: str, browser: Any) -> Iterator[Any]:
    """The app, opened at the LoRAs tab; in the end nothing went wrong on the page."""
    with looking_at(browser, app, wait_ms=WAIT_MS, console=True) as page:
        page.wait_for_selector("#prompt textarea")
        page.get_by_role("tab", name="LoRAs").click()
        first_card(page)
        yield page


def card(page: Any, name: str) -> Any:
    return page.locator("loradex-manager .card", has_text=re.compile(name, re.IGNORECASE)).first


def test_the_tab_shows_the_demos_loras_and_that_they_fit(page: Any) -> None:
    assert page.locator("loradex-manager .card").count() == 5
    for name in ("golden", "night", "outline", "pastel", "stripes"):
        card(page, name).locator(".badge", has_text="Fits").wait_for()


def test_a_click_inserts_a_lora_and_the_picture_is_drawn_with_it(page: Any) -> None:
    card(page, "golden").click()
    page.get_by_role("tab", name="Generate").click()
    prompt = page.input_value("#prompt textarea")
    assert "<lora:golden:" in prompt
    page.fill("#steps input[type=number]", "2")
    page.keyboard.press("Tab")
    page.click("#generate")
    page.locator("#report", has_text="golden").wait_for()
    page.get_by_role("tab", name="LoRAs").click()
    card(page, "golden").locator(".report").wait_for()
    card(page, "golden").click()
    page.get_by_role("tab", name="Generate").click()
    assert "<lora:" not in page.input_value("#prompt textarea")


def test_another_checkpoint_changes_what_fits_without_a_reload(page: Any) -> None:
    """A path that is no checkpoint: nothing is loaded that a LoRA could fit."""
    card(page, "night").locator(".badge", has_text="Fits").wait_for()
    page.get_by_role("tab", name="Generate").click()
    box = page.locator("#checkpoint input")
    box.fill("./no such file.safetensors")
    box.press("Enter")
    page.get_by_role("tab", name="LoRAs").click()
    page.get_by_text("0 of 0").first.wait_for()
