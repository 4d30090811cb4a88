"""A person with the details of one LoRA open: prompt, notes and pictures, seen where they go."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.app_in_browser import first_card, looking_at
from tests.browser.page_server import page_of
from tests.standalone.libraries import PIXEL, demo

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
pytest.importorskip("playwright")
Image = pytest.importorskip("PIL.Image")

ELSEWHERE = """(changes) => {
    const { api, library } = document.querySelector("loradex-manager").page.context;
    const row = library.rows.find(({ name }) => name === "golden");
    return api.send("PATCH", `networks/${row.id}`, changes);
}"""
GALLERY = """(source) => {
    const gallery = document.createElement("div");
    gallery.id = "txt2img_gallery";
    gallery.append(Object.assign(new Image(), { src: source }));
    document.body.append(gallery);
}"""
DROP = """(bytes) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], "new.png", { type: "image/png" }));
    return data;
}"""


@pytest.fixture
def loras(tmp_path: Path) -> Path:
    folder = tmp_path / "loras"
    for name in ("golden", "night"):
        demo(name, folder / f"{name}.safetensors")
    (folder / "golden.json").write_text(json.dumps({
        "activation text": "gilded, old frame || gilded, halo", "preferred weight": 0.8,
        "mine": [1],
    }), encoding="utf-8")
    return folder


@pytest.fixture
def page(browser: Any, loras: Path) -> Iterator[Any]:
    """The page with the details of `golden`; at the end nothing in it went wrong by itself."""
    with page_of((loras,)) as address, looking_at(browser, address) as opened:
        first_card(opened)
        opened.get_by_role("grid").focus()
        opened.keyboard.press("Space")
        panel(opened).get_by_text("golden.safetensors").first.wait_for()
        yield opened


def panel(page: Any) -> Any:
    return page.get_by_role("complementary", name="Details")


def field(page: Any, name: str) -> Any:
    return panel(page).get_by_label(name, exact=False).and_(page.locator("input, textarea, select"))


def message(page: Any, words: str) -> Any:
    found = page.locator(".message").filter(has_text=words)
    found.first.wait_for()
    return found.first


def wait_for_value(page: Any, control: Any, value: str) -> None:
    same = "([box, value]) => box.value === value"
    page.wait_for_function(same, arg=[control.element_handle(), value])


def test_strengths_and_sets_of_words_go_into_the_prompt_and_out(page: Any) -> None:
    prompt = page.get_by_label("Prompt", exact=True)
    prompt.fill("a ring")
    field(page, "Text encoder strength").fill("0.5")
    panel(page).get_by_role("button", name="Insert into the prompt").click()
    found = prompt.input_value()
    assert "<lora:golden:te=0.5:unet=0.8>" in found
    field(page, "UNet strength").fill("0.5")
    assert "<lora:golden:0.5>" in prompt.input_value()
    panel(page).get_by_role("button", name="Take out of the prompt").click()
    assert prompt.input_value() == "a ring"

    whole = panel(page).get_by_role("button", name="Words: gilded, halo")
    whole.click()
    assert prompt.input_value() == "a ring, gilded, halo"
    assert whole.get_attribute("aria-pressed") == "true"
    panel(page).get_by_role("button", name="Word: halo").click()
    assert prompt.input_value() == "a ring, gilded"
    assert whole.get_attribute("aria-pressed") == "false"


def test_a_field_is_written_when_it_is_left_and_taken_back(page: Any, loras: Path) -> None:
    words = field(page, "Trigger words")
    panel(page).get_by_text("Edit the trigger words").click()
    words.fill("brass\ncopper, patina")
    words.blur()
    told = message(page, "Trigger words saved")
    written = json.loads((loras / "golden.json").read_text(encoding="utf-8"))
    assert written["mine"] == [1]
    assert written["activation text"] == "brass || copper, patina"
    panel(page).get_by_role("button", name="Words: copper, patina").wait_for()
    told.get_by_role("button", name="Undo").click()
    panel(page).get_by_role("button", name="Words: gilded, halo").wait_for()
    wait_for_value(page, words, "gilded, old frame\ngilded, halo")


def test_what_is_typed_outlives_a_change_elsewhere_and_a_failed_write(
    page: Any, loras: Path
) -> None:
    notes = field(page, "Notes")
    notes.click()
    notes.fill("half a sent")
    page.evaluate(ELSEWHERE, {"notes": "from the other window", "tags": ["shared"]})
    wait_for_value(page, field(page, "Tags"), "shared")
    assert notes.input_value() == "half a sent"

    (loras / "golden.json").write_text("{", encoding="utf-8")
    description = field(page, "Description")
    description.fill("A long text of mine")
    description.blur()
    panel(page).get_by_text("Not saved").wait_for()
    panel(page).get_by_role("alert").get_by_text(re.compile(r"golden\.json")).first.wait_for()
    assert description.input_value() == "A long text of mine"


def test_escape_writes_closes_and_goes_back_to_the_card(page: Any) -> None:
    field(page, "Notes").fill("for covers")
    page.keyboard.press("Escape")
    message(page, "Notes saved")
    panel(page).wait_for(state="hidden")
    focused = "document.querySelector('loradex-manager').root.activeElement.className"
    assert "grid" in page.evaluate(focused)
    page.keyboard.press("Space")
    wait_for_value(page, field(page, "Notes"), "for covers")


def test_a_picture_comes_from_the_gallery_or_a_drop(page: Any, loras: Path) -> None:
    shown, dropped, kept = picture("green"), picture("red"), loras / "golden.preview.png"
    page.route("**/made.png", lambda route: route.fulfill(body=shown, content_type="image/png"))
    page.evaluate(GALLERY, "/made.png")
    panel(page).get_by_role("button", name="Last generated").click()
    panel(page).locator("img.big").wait_for()
    assert kept.read_bytes() == shown
    drop(page, dropped)
    page.locator(".message").nth(1).wait_for()
    assert kept.read_bytes() == dropped
    page.locator(".message").nth(1).get_by_role("button", name="Undo").click()
    message(page, "Taken back")
    assert kept.read_bytes() == shown


def test_a_damaged_picture_is_refused_with_its_next_step(page: Any, loras: Path) -> None:
    drop(page, PIXEL)
    refused = page.get_by_role("alert").locator(".message")
    refused.locator(".next-step").wait_for()
    assert not (loras / "golden.preview.png").exists()


def picture(colour: str) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (64, 96), colour).save(made, "PNG")
    return made.getvalue()


def drop(page: Any, content: bytes) -> None:
    """A file of the desktop, let go over the details."""
    data = page.evaluate_handle(DROP, list(content))
    for event in ("dragover", "drop"):
        panel(page).dispatch_event(event, {"dataTransfer": data})
