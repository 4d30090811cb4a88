"""A page that stays open while files, servers and other windows change what it shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.browser.app_in_browser import first_card, looking_at
from tests.browser.page_server import page_of
from tests.standalone.libraries import demo, network, write

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
pytest.importorskip("playwright")

WAIT_MS = 30_000
NAMES = ("golden", "night", "outline")
MANY = 500


@pytest.fixture
def loras(tmp_path: Path, own_bin: Path) -> Path:
    for name in NAMES:
        demo(name, tmp_path / "loras" / f"{name}.safetensors")
    return tmp_path / "loras"


@contextmanager
def opened(browser: Any, address: str) -> Iterator[Any]:
    with looking_at(browser, address, size=(1280, 800), wait_ms=WAIT_MS) as page:
        first_card(page)
        yield page


def wait_for_count(page: Any, shown: int, count: int, patience_ms: int = WAIT_MS) -> None:
    found = page.locator("loradex-manager .count", has_text=f"{shown} of {count}")
    found.wait_for(timeout=patience_ms)


def card(page: Any, name: str) -> Any:
    return page.locator(".card").filter(has=page.locator(".name", has_text=name))


def test_five_hundred_files_copied_in_show_up_and_disturb_nobody(
    browser: Any, loras: Path
) -> None:
    with page_of((loras,), watching=True) as address, opened(browser, address) as page:
        page.get_by_role("searchbox").fill("night")
        card(page, "Night").locator("[data-do=info]").click()
        notes = page.get_by_role("textbox", name="Notes")
        notes.fill("half a sent")
        layers = network("sd1")
        for number in range(MANY):
            write(loras / "new" / f"file {number:03}.safetensors", layers)
        wait_for_count(page, 1, MANY + len(NAMES), 4 * WAIT_MS)  # how soon: benchmarks/page.py
        notes.press("End")
        notes.press_sequentially("ence")
        assert notes.input_value() == "half a sentence"
        assert page.get_by_role("searchbox").input_value() == "night"
        assert page.locator(".card").count() == 1


def test_a_page_finds_its_server_again_and_what_changed_meanwhile(
    browser: Any, loras: Path
) -> None:
    with ExitStack() as stack:
        with page_of((loras,)) as address:
            page = stack.enter_context(opened(browser, address))
            page.get_by_role("searchbox").fill("o")
        page.locator("loradex-manager .notice:not([hidden])").wait_for()
        assert page.locator(".card").count() > 0  # the list stays usable without its server
        (loras / "night.safetensors").unlink()
        demo("pastel", loras / "cottage.safetensors")
        stack.enter_context(page_of((loras,), port=urlsplit(address).port or 0))
        page.locator("loradex-manager .notice").wait_for(state="hidden")
        page.get_by_role("searchbox").fill("")
        wait_for_count(page, 3, 3)
        page.locator(".card[title^='Pastel']").wait_for()
        assert page.locator(".card[title^='Night']").count() == 0


def test_two_windows_stay_equal(browser: Any, loras: Path) -> None:
    with (
        page_of((loras,)) as address,
        opened(browser, address) as one, opened(browser, address) as other,
    ):
        card(one, "Golden").locator("[data-do=star]").click()
        card(other, "Golden").locator("[data-do=star][aria-pressed=true]").wait_for()
        card(other, "Night").locator("[data-do=check]").click()
        other.keyboard.press("Delete")
        wait_for_count(other, 2, 2)
        wait_for_count(one, 2, 2)
        one.locator(".grid").focus()
        one.keyboard.press("Control+z")
        wait_for_count(other, 3, 3)
