"""A person who looks for LoRAs on the page: search, filters, the list, and choosing several."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.app_in_browser import first_card, looking_at
from tests.browser.page_server import page_of
from tests.standalone.libraries import demo

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
pytest.importorskip("playwright")

NAMES = ("golden", "night", "outline", "pastel", "stripes")


@pytest.fixture
def page(browser: Any, tmp_path: Path, own_bin: Path) -> Iterator[Any]:
    """The page over five LoRAs, one with notes; at the end nothing in it went wrong by itself."""
    for name in NAMES:
        demo(name, tmp_path / "loras" / f"{name}.safetensors")
    notes = json.dumps({"notes": "from the seaside"})
    (tmp_path / "loras" / "night.json").write_text(notes, encoding="utf-8")
    with page_of((tmp_path / "loras",)) as address, looking_at(browser, address) as page:
        first_card(page)
        yield page


def card(page: Any, name: str) -> Any:
    return page.locator(".card").filter(has=page.locator(".name", has_text=name))


def shown(page: Any) -> list[str]:
    return [name.lower() for name in page.locator(".card .name").all_inner_texts()]


def chosen(page: Any) -> list[str]:
    selected = page.locator(".card[aria-selected=true] .name")
    return [name.lower() for name in selected.all_inner_texts()]


def wait_for_rows(page: Any, count: int) -> None:
    page.get_by_text(f"{count} of 5").wait_for()


def test_ctrl_and_shift_choose_several_without_touching_the_prompt(page: Any) -> None:
    card(page, "night").click(modifiers=["Control"])
    card(page, "pastel").click(modifiers=["Shift"])
    assert chosen(page) == ["night", "outline", "pastel"]
    card(page, "outline").locator("[data-do=check]").click()
    assert chosen(page) == ["night", "pastel"]
    page.keyboard.press("Escape")
    assert chosen(page) == []
    assert page.input_value("#txt2img_prompt textarea") == ""


def test_the_keys_choose_and_use_too(page: Any) -> None:
    page.locator(".grid").focus()
    page.keyboard.press("x")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert chosen(page) == ["golden", "night", "outline"]
    page.keyboard.press("Control+a")
    assert len(chosen(page)) == 5
    page.keyboard.press("Escape")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    assert "<lora:golden:1>" in page.input_value("#txt2img_prompt textarea")


def test_words_in_notes_are_found_which_the_page_does_not_hold(page: Any) -> None:
    page.get_by_role("searchbox").fill("seaside")
    wait_for_rows(page, 1)
    assert shown(page) == ["night"]


def tag(page: Any, name: str, word: str) -> None:
    """As the dialog for tags does it."""
    page.evaluate("""([name, word]) => {
        const { context: { library } } = document.querySelector("loradex-manager").page;
        return library.edit(library.rows.find((row) => row.name === name), { tags: [word] });
    }""", [name, word])


def test_a_search_takes_operators_and_leaves_out(page: Any) -> None:
    search = page.get_by_role("searchbox")
    search.fill("type:loha")
    wait_for_rows(page, 1)
    search.fill("-night -golden")
    wait_for_rows(page, 3)
    tag(page, "night", "holiday")
    search.fill("tag:holiday")
    wait_for_rows(page, 1)


def test_the_list_has_columns_that_order_it(page: Any) -> None:
    page.get_by_label("Show as a list").click()
    head = page.get_by_role("columnheader", name="Name")
    assert head.get_attribute("aria-sort") == "ascending"
    head.get_by_role("button").click()
    assert shown(page) == sorted(NAMES, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"


def test_filters_are_kept_under_a_name(page: Any) -> None:
    tag(page, "night", "holiday")
    page.get_by_role("button", name="holiday").click()
    wait_for_rows(page, 1)
    page.get_by_label("Saved filters").click()
    page.get_by_label("Name of these filters").fill("by the sea")
    page.get_by_role("button", name="Save", exact=True).click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Clear filters").click()
    wait_for_rows(page, 5)
    page.reload()
    wait_for_rows(page, 5)
    page.get_by_label("Saved filters").click()
    page.get_by_role("button", name="by the sea", exact=True).click()
    wait_for_rows(page, 1)
