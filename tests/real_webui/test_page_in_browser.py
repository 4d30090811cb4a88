"""The tab in a real browser, as a user of the WebUI sees it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("playwright")

from tests.browser.app_in_browser import browser_for_tests, looking_at
from tests.real_webui.models import SD1, SDXL

if TYPE_CHECKING:
    from tests.real_webui.host import RunningWebUI
    from tests.real_webui.shelf import Shelf

pytestmark = [pytest.mark.browser, pytest.mark.torch, pytest.mark.timeout(600)]

SCREENSHOT = "LORADEX_SCREENSHOT"
"""Names the file that a picture of the tab is written to."""
WAIT_MS = 60_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from browser_for_tests()


@pytest.fixture
def page(host: RunningWebUI, shelf: Shelf, browser: Any) -> Iterator[Any]:
    """The WebUI's page, opened at the tab, with a few files; nothing went wrong in the end."""
    shelf.put("ink drawing", shelf.tensors(SD1, seed=40),
              {"ss_tag_frequency": '{"10_ink": {"ink style": 10, "paper": 4}}'})
    shelf.put("water & colour", shelf.tensors(SD1, "loha", seed=41))
    shelf.put_bytes("not finished", shelf.path("ink drawing").read_bytes()[:9000])
    shelf.usual(SDXL)
    with looking_at(browser, host.address, size=(1280, 900), wait_ms=WAIT_MS) as page:
        page.wait_for_selector("#txt2img_prompt textarea")
        yield page


def open_tab(page: Any) -> None:
    page.get_by_role("button", name="LoRA manager", exact=True).first.click()
    page.locator("loradex-manager .card").first.wait_for()


def card(page: Any, name: str) -> Any:
    return page.locator("loradex-manager .card", has_text=name).first


def names(page: Any) -> list[str]:
    return [one.strip() for one in page.locator("loradex-manager .card .name").all_inner_texts()]


def search(page: Any, text: str, gone: str) -> None:
    """Types into the search box; the answer is there when a file that does not match is gone."""
    page.locator("loradex-manager input[type=search]").fill(text)
    card(page, gone).wait_for(state="detached")


def test_the_tab_lists_the_files(page: Any) -> None:
    open_tab(page)
    card(page, "ink drawing").locator(".badge", has_text="Fits").wait_for()
    box = page.locator("loradex-manager input[type=search]")
    for name in ("ink drawing", "water & colour", "not finished"):  # only what is seen is drawn
        box.fill(name)
        card(page, name).wait_for()
    card(page, "not finished").locator(".badge[data-verdict=broken]").wait_for()
    box.fill("")
    target = os.environ.get(SCREENSHOT)
    if target:
        page.screenshot(path=target)


def test_the_details_say_what_was_found(page: Any) -> None:
    open_tab(page)
    search(page, "not finished", gone="ink drawing")
    card(page, "not finished").locator("[data-do=info]").click()
    page.locator("loradex-manager .panel .problem").first.wait_for()
    search(page, "ink drawing", gone="not finished")
    card(page, "ink drawing").locator("[data-do=info]").click()
    page.locator("loradex-manager .panel", has_text="ink style").wait_for()


def test_search(page: Any) -> None:
    open_tab(page)
    search(page, "ink drawing", gone="water & colour")
    assert "ink drawing" in names(page)
    search(page, "nothing has this name", gone="ink drawing")
    assert names(page) == []


def test_insert_puts_the_tag_into_the_prompt(page: Any, host: RunningWebUI) -> None:
    page.fill("#txt2img_prompt textarea", "a cat")
    open_tab(page)
    search(page, "water", gone="ink drawing")
    card(page, "water & colour").click()
    page.wait_for_function(
        "document.querySelector('#txt2img_prompt textarea').value.includes('<lora:')")
    prompt = page.input_value("#txt2img_prompt textarea")
    assert re.fullmatch(r"a cat,?\s*<lora:water & colour:1(\.0)?>\s*", prompt)
    # It is the prompt that the server gets, not only the text on the page.
    assert host.draw(prompt).report.startswith("water & colour ")


def test_a_file_that_appears_is_a_card_without_a_reload(page: Any, shelf: Shelf) -> None:
    open_tab(page)
    shelf.put("just arrived", shelf.tensors(SD1, seed=42))
    search(page, "just", gone="ink drawing")
    card(page, "just arrived").wait_for()
