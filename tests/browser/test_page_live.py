"""A page that stays open while files, servers and other windows change what it shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.app_in_browser import browsing, chromium
from tests.browser.page_server import page_of
from tests.standalone.libraries import demo, network, write

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240),
              pytest.mark.skipif(not chromium(), reason="no Chromium here")]
pytest.importorskip("playwright")

WAIT_MS = 30_000
NAMES = ("golden", "night", "outline")
MANY = 500


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with browsing() as opened:
        yield opened


@pytest.fixture
def loras(tmp_path: Path, own_bin: Path) -> Path:
    for name in NAMES:
        demo(name, tmp_path / "loras" / f"{name}.safetensors")
    return tmp_path / "loras"


def opened(browser: Any, address: str, faults: list[str]) -> Any:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(WAIT_MS)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(address)
    page.locator("loradex-manager .card").first.wait_for()
    return page


def wait_for_count(page: Any, shown: int, count: int) -> None:
    page.locator("loradex-manager .count", has_text=f"{shown} of {count}").wait_for()


def card(page: Any, name: str) -> Any:
    return page.locator(".card").filter(has=page.locator(".name", has_text=name))


def test_five_hundred_files_copied_in_show_up_and_disturb_nobody(
    browser: Any, loras: Path
) -> None:
    faults: list[str] = []
    with page_of((loras,), watching=True) as address:
        page = opened(browser, address, faults)
        page.get_by_role("searchbox").fill("night")
        card(page, "Night").locator("[data-do=info]").click()
        notes = page.get_by_role("textbox", name="Notes")
        notes.fill("half a sent")
        layers = network("sd1")
        for number in range(MANY):
            write(loras / "new" / f"file {number:03}.safetensors", layers)
        wait_for_count(page, 1, MANY + len(NAMES))
        notes.press("End")
        notes.press_sequentially("ence")
        assert notes.input_value() == "half a sentence"
        assert page.get_by_role("searchbox").input_value() == "night"
        assert page.locator(".card").count() == 1
        page.close()
    assert faults == []


def test_a_page_finds_its_server_again_and_what_changed_meanwhile(
    browser: Any, loras: Path
) -> None:
    faults: list[str] = []
    with page_of((loras,)) as address:
        page = opened(browser, address, faults)
        page.get_by_role("searchbox").fill("o")
        port = int(re.findall(r":(\d+)/", address)[0])
    page.locator("loradex-manager .notice:not([hidden])").wait_for()
    assert page.locator(".card").count() > 0  # the list stays usable without its server
    (loras / "night.safetensors").unlink()
    demo("pastel", loras / "cottage.safetensors")
    with page_of((loras,), port=port):
        page.locator("loradex-manager .notice").wait_for(state="hidden")
        page.get_by_role("searchbox").fill("")
        wait_for_count(page, 3, 3)
        page.locator(".card[title^='Pastel']").wait_for()
        assert page.locator(".card[title^='Night']").count() == 0
        page.close()
    assert faults == []


def test_two_windows_stay_equal(browser: Any, loras: Path) -> None:
    faults: list[str] = []
    with page_of((loras,)) as address:
        one, other = (opened(browser, address, faults) for _ in range(2))
        card(one, "Golden").locator("[data-do=star]").click()
        card(other, "Golden").locator("[data-do=star][aria-pressed=true]").wait_for()
        card(other, "Night").locator("[data-do=check]").click()
        other.keyboard.press("Delete")
        wait_for_count(other, 2, 2)
        wait_for_count(one, 2, 2)
        one.locator(".grid").focus()
        one.keyboard.press("Control+z")
        wait_for_count(other, 3, 3)
        one.close()
        other.close()
    assert faults == []
