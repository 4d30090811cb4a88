"""A person at the app: a picture with a LoRA, its report and infotext, and every bad day."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.app_in_browser import serving

pytestmark = [pytest.mark.browser, pytest.mark.torch, pytest.mark.timeout(300)]
pytest.importorskip("playwright")

WAIT_MS = 120_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("working directory")


@pytest.fixture(scope="module")
def app(folder: Path) -> Iterator[str]:
    with serving(folder) as address:
        yield address


@pytest.fixture
def page(app: str, browser: Any) -> Iterator[Any]:
    """The app's page; at the end nothing was asked of other machines and nothing went wrong."""
    page = open_tab(browser)
    elsewhere: list[str] = []
    faults: list[str] = []
    page.on("request", lambda r: None if is_here(r.url, app) else elsewhere.append(r.url))
    page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(app)
    yield page
    page.close()
    assert elsewhere == []
    assert faults == []


def open_tab(browser: Any, address: str = "") -> Any:
    tab = browser.new_page()
    tab.set_default_timeout(WAIT_MS)
    if address:
        tab.goto(address)
    return tab


def is_here(url: str, app: str) -> bool:
    return url.startswith((app, "data:", "blob:"))


def fill(page: Any, **values: object) -> None:
    for name, value in values.items():
        place = "textarea" if "prompt" in name else "input[type=number]"
        page.fill(f"#{name.replace('_', '-')} {place}", str(value))
        page.keyboard.press("Tab")


def generate(page: Any, **values: object) -> None:
    fill(page, **values)
    page.click("#generate")


def wait_for_text(page: Any, place: str, words: str) -> str:
    """The text of the moment in which it has these words; a stage may be over right after."""
    found = page.wait_for_function(
        """([place, words]) => {
            const text = document.querySelector(place)?.innerText ?? "";
            return text.includes(words) && text;
        }""",
        arg=[place, words],
    )
    return str(found.json_value())


def wait_for_result(page: Any) -> str:
    """The infotext, once the picture is really there."""
    page.wait_for_selector("#infotext textarea")
    page.wait_for_function(
        "[...document.querySelectorAll('#pictures img')].some(i => i.naturalWidth > 0)"
    )
    return str(page.input_value("#infotext textarea"))


def test_a_picture_with_a_lora_has_its_report_and_infotext(page: Any, folder: Path) -> None:
    name = page.input_value("#lora input")
    page.click("#insert")
    wait_for_text(page, "#insert", "Remove")
    prompt = page.input_value("#prompt textarea")
    assert prompt.endswith(f"<lora:{name}:0.8>")

    generate(page, steps=8, seed=1)
    wait_for_text(page, "#stage", "Step")
    infotext = wait_for_result(page)
    assert infotext.splitlines()[0] == prompt
    assert "Steps: 8" in infotext
    assert "Seed: 1," in infotext
    assert "Lora hashes" in infotext
    report = page.inner_text("#report")
    assert name in report
    counts = re.findall(r"(\d+)/(\d+)", report)
    assert counts
    assert all(matched == total != "0" for matched, total in counts)

    from PIL import Image

    (saved,) = (folder / "outputs").glob("*-1.png")
    assert saved.name in page.inner_text("#saved")
    with Image.open(saved) as picture:
        assert picture.info["parameters"] == infotext
        assert picture.size == (128, 128)


def test_loras_are_compared_line_by_line_with_a_sheet_behind_them(page: Any, folder: Path) -> None:
    before = len(list((folder / "outputs").glob("*.png")))
    page.get_by_role("button", name="Compare LoRAs").click()
    page.fill("#compare textarea", "golden\nnight:0.5")
    generate(page, steps=2, seed=4)
    infotext = wait_for_result(page)
    assert infotext.startswith("a large red circle on a blue background\n")
    page.wait_for_function(
        "document.querySelectorAll('#pictures .thumbnails button, "
        "#pictures .thumbnail-item').length >= 4")
    report = page.inner_text("#report")
    assert "golden" in report
    assert "night" in report
    assert len(list((folder / "outputs").glob("*.png"))) == before + 4
    page.fill("#compare textarea", "a dog")
    page.click("#generate")
    assert "no network of that name" in wait_for_text(page, "#report", "a dog")


def test_ctrl_enter_generates_what_was_typed(page: Any) -> None:
    fill(page, steps=1)
    page.focus("#prompt textarea")
    page.keyboard.press("End")
    page.keyboard.type(" indeed")
    page.keyboard.press("Control+Enter")
    assert wait_for_result(page).startswith("a large red circle on a blue background indeed\n")


def test_only_this_machine_is_answered(app: str) -> None:
    """A page elsewhere that binds its own name to 127.0.0.1 gets nothing."""
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    with urlopen(app, timeout=30) as answer:
        assert answer.status == 200
    with pytest.raises(HTTPError) as refused:
        urlopen(Request(app, headers={"Host": "rebound.example"}), timeout=30)
    assert refused.value.code == 400
    refused.value.close()


def test_the_tag_goes_in_changes_and_comes_out(page: Any) -> None:
    before = page.input_value("#prompt textarea")
    page.click("#insert")
    wait_for_text(page, "#insert", "Remove")
    fill(page, strength=0.5)
    wait_for_text(page, "#insert", "Update")
    page.click("#insert")
    wait_for_text(page, "#insert", "Remove")
    assert page.input_value("#prompt textarea").endswith(":0.5>")
    page.click("#insert")
    wait_for_text(page, "#insert", "Insert")
    assert page.input_value("#prompt textarea") == before


def test_cancel_stops_at_the_next_step(page: Any) -> None:
    generate(page, steps=150)
    wait_for_text(page, "#stage", "Step")
    page.click("#cancel")
    wait_for_text(page, "#stage", "Stopped")
    assert page.is_enabled("#generate")
    assert page.is_disabled("#cancel")


def test_an_unknown_lora_is_skipped_with_a_reason_and_strict_stops(page: Any) -> None:
    name = page.input_value("#lora input")
    generate(page, prompt=f"a red circle <lora:{name[:-1]}:1>", steps=2)
    wait_for_result(page)
    report = page.inner_text("#report")
    assert "no network of that name" in report
    assert f"Did you mean '{name}'" in report

    page.click("#how-to-draw button:has-text('More')")
    page.check("#strict input")
    page.click("#generate")
    told = wait_for_text(page, "#stage", "no network of that name")
    assert "Traceback" not in told


def test_a_wrong_size_is_told_in_words(page: Any) -> None:
    generate(page, width=130, steps=1)
    told = wait_for_text(page, "#stage", "multiple of 8")
    assert "Use 128 or 136." in told


def test_a_missing_checkpoint_is_told_in_words(page: Any) -> None:
    page.fill("#checkpoint input", "/no/such/model.safetensors")
    page.keyboard.press("Enter")
    page.click("#generate")
    wait_for_text(page, "#stage", "no such file or folder")


def test_a_second_generation_waits_and_says_so(page: Any, app: str, browser: Any) -> None:
    generate(page, steps=150, batch_count=16)  # longer than a page takes to open
    wait_for_text(page, "#stage", "Picture 1 of 16")
    second = open_tab(browser, app)
    generate(second, steps=1)
    wait_for_text(second, "#stage", "Waiting for the running generation")
    page.click("#cancel")
    assert "Steps: 1," in wait_for_result(second)
    second.close()


def test_a_closed_tab_does_not_keep_others_waiting(page: Any, app: str, browser: Any) -> None:
    leaving = open_tab(browser, app)
    generate(leaving, steps=150, batch_count=16)
    wait_for_text(leaving, "#stage", "Picture 1 of 16")
    leaving.close()
    generate(page, steps=1)
    assert "Steps: 1," in wait_for_result(page)


def test_a_batch_shows_each_picture_with_its_own_seed(page: Any) -> None:
    generate(page, steps=1, seed=7, batch_count=2)
    wait_for_result(page)
    page.click("#pictures .thumbnails button:nth-child(2)")
    wait_for_text(page, "#saved", "seed 8")
    page.click("#reuse-seed")
    page.wait_for_function("document.querySelector('#seed input').value == '8'")
