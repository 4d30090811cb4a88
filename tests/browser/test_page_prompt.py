"""A person who writes a prompt: names are completed, and what is wrong has a way out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.app_in_browser import first_card, looking_at
from tests.browser.page_server import page_of
from tests.standalone.libraries import demo

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
pytest.importorskip("playwright")

BOX = "#txt2img_prompt textarea"


@pytest.fixture
def page(browser: Any, tmp_path: Path, own_bin: Path) -> Iterator[Any]:
    for name in ("golden", "night"):
        demo(name, tmp_path / "loras" / f"{name}.safetensors")
    for folder in ("a", "b"):
        demo("pastel", tmp_path / "loras" / folder / "pastel.safetensors")
    with page_of((tmp_path / "loras",)) as address, looking_at(browser, address) as page:
        first_card(page)
        yield page


def write(page: Any, text: str) -> None:
    page.fill(BOX, "")
    page.locator(BOX).press_sequentially(text)


def prompt(page: Any) -> str:
    return str(page.input_value(BOX))


def offered(page: Any) -> Any:
    return page.get_by_role("listbox", name="LoRA names").get_by_role("option")


def test_a_name_is_completed_with_its_strength_and_trigger_word(page: Any) -> None:
    write(page, "a ring, <lora:ni")
    offered(page).filter(has_text="night").wait_for()
    page.keyboard.press("Enter")
    assert prompt(page) == "a ring, <lora:night:1>, night"
    assert offered(page).count() == 0


def test_escape_leaves_the_letters_as_they_are(page: Any) -> None:
    write(page, "<lora:")
    offered(page).first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    assert offered(page).count() == 0
    assert prompt(page) == "<lora:"
    page.keyboard.press("Enter")
    assert prompt(page) == "<lora:\n"


def test_a_missing_word_is_added_by_its_button(page: Any) -> None:
    page.fill(BOX, "a ring <lora:golden:0.8>")
    strip = page.get_by_role("group", name="LoRAs in the prompt")
    strip.get_by_text("No trigger word").wait_for()
    strip.get_by_role("button", name="golden", exact=True).last.click()
    assert prompt(page) == "a ring <lora:golden:0.8>, golden"
    strip.get_by_label("Take golden out of the prompt").click()
    assert prompt(page) == "a ring"


def test_a_name_that_is_nearly_right_is_put_right(page: Any) -> None:
    page.fill(BOX, "<lora:goldne:0.5>")
    page.get_by_role("group", name="LoRAs in the prompt").get_by_role(
        "button", name="golden", exact=True).click()
    assert prompt(page) == "<lora:golden:0.5>"


def test_of_two_files_with_one_name_one_is_chosen(page: Any) -> None:
    page.fill(BOX, "<lora:pastel:0.5>")
    strip = page.get_by_role("group", name="LoRAs in the prompt")
    strip.get_by_text("Several files have this name").wait_for()
    strip.get_by_role("button", name="b/pastel", exact=True).click()
    assert prompt(page) == "<lora:b/pastel:0.5>"
