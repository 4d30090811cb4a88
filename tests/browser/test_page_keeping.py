"""A person who keeps a library in order on the page: every gesture once, seen on the disk."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.browser.app_in_browser import first_card, looking_at
from tests.browser.page_server import page_of
from tests.standalone.libraries import demo, network, write

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
pytest.importorskip("playwright")

FILES = """(files) => {
    const data = new DataTransfer();
    for (const one of files) {
        data.items.add(new File([new Uint8Array(one.bytes)], one.name, { type: one.type }));
    }
    return data;
}"""


@pytest.fixture
def loras(tmp_path: Path, own_bin: Path) -> Path:
    """Three LoRAs with a note beside one of them, and an empty folder."""
    folder = tmp_path / "loras"
    for name in ("golden", "night", "pastel"):
        demo(name, folder / "styles" / f"{name}.safetensors")
    (folder / "styles" / "night.json").write_text('{"notes": "mine"}', encoding="utf-8")
    (folder / "places").mkdir()
    return folder


@contextmanager
def opened(browser: Any, loras: Path, *, hashing: bool = False) -> Iterator[Any]:
    """The page over some files; at the end nothing in it went wrong by itself."""
    with page_of((loras,), hashing=hashing) as address, looking_at(browser, address) as page:
        first_card(page)
        yield page


@pytest.fixture
def page(browser: Any, loras: Path) -> Iterator[Any]:
    with opened(browser, loras) as shown:
        yield shown


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def card(page: Any, name: str) -> Any:
    return page.locator(".card").filter(has_text=name)


def choose(page: Any, *wanted: str) -> None:
    for name in wanted:
        card(page, name).click(modifiers=["Control"])
    page.get_by_role("toolbar", name="Chosen LoRAs").get_by_text(f"{len(wanted)} chosen").wait_for()


def folder_line(page: Any, name: str) -> Any:
    return page.get_by_role("treeitem", name=name)


def message(page: Any, words: str) -> Any:
    found = page.locator(".message").filter(has_text=words)
    found.first.wait_for()
    return found.first


def drop_files(page: Any, place: Any, files: list[tuple[str, bytes, str]]) -> None:
    """What a browser does when files of the desktop are let go over an element."""
    made = [{"name": name, "bytes": list(content), "type": kind} for name, content, kind in files]
    drop(page.evaluate_handle(FILES, made), place)


def drop(transfer: Any, place: Any) -> None:
    for event in ("dragenter", "dragover", "drop"):
        place.dispatch_event(event, {"dataTransfer": transfer})


def test_two_are_dragged_to_a_folder_and_back_again(page: Any, loras: Path) -> None:
    choose(page, "night", "pastel")
    card(page, "Pastel").drag_to(folder_line(page, "places"))
    told = message(page, "Moved 2 LoRAs to loras/places")
    assert names(loras / "places") == ["night.json", "night.safetensors", "pastel.safetensors"]
    assert names(loras / "styles") == ["golden.safetensors"]
    told.get_by_role("button", name="Undo").click()
    message(page, "Taken back: Moved 2 LoRAs to loras/places")
    assert names(loras / "places") == []
    assert names(loras / "styles") == [
        "golden.safetensors", "night.json", "night.safetensors", "pastel.safetensors"]


def test_the_keyboard_throws_away_takes_back_and_does_again(page: Any, loras: Path) -> None:
    choose(page, "night")
    page.keyboard.press("Delete")
    message(page, "Moved 1 LoRA to the trash")
    assert not (loras / "styles" / "night.json").exists()
    page.keyboard.press("Control+z")
    message(page, "Taken back: Moved 1 LoRA to the trash")
    assert (loras / "styles" / "night.json").read_text(encoding="utf-8") == '{"notes": "mine"}'
    card(page, "night").wait_for()
    page.keyboard.press("Control+Shift+z")
    message(page, "Done again: Moved 1 LoRA to the trash")
    assert not (loras / "styles" / "night.safetensors").exists()


def test_many_get_a_tag_and_one_another_name(page: Any, loras: Path) -> None:
    choose(page, "golden", "night")
    page.get_by_role("button", name="Tags…").click()
    page.get_by_label("Add tags").first.fill("shiny, for covers")
    page.get_by_role("button", name="Save the tags").click()
    message(page, "Changed the tags of 2 LoRAs")
    page.get_by_label("Search LoRAs").fill("tag:shiny")
    page.get_by_text("2 of 3 LoRAs").wait_for()
    page.get_by_label("Search LoRAs").fill("")

    page.get_by_role("button", name="Clear", exact=True).click()
    choose(page, "night")
    page.get_by_role("grid").press("F2")
    page.get_by_label("New name").fill("a/b")
    page.get_by_role("dialog").get_by_role("button", name="Rename").click()
    page.get_by_role("dialog").get_by_role("alert").get_by_text(re.compile("a/b|slash|name")).first.wait_for()
    page.get_by_label("New name").fill("night sky")
    page.get_by_role("dialog").get_by_role("button", name="Rename").click()
    message(page, "Renamed to night sky")
    assert {"night sky.json", "night sky.safetensors"} <= set(names(loras / "styles"))


def test_a_new_folder_is_made_and_chosen_files_go_there(page: Any, loras: Path) -> None:
    page.get_by_role("button", name="New folder").click()
    page.get_by_role("dialog").get_by_label("New folder").fill("drafts")
    page.get_by_role("button", name="Make the folder").click()
    folder_line(page, "drafts").wait_for()
    assert (loras / "drafts").is_dir()
    folder_line(page, "All folders").click()
    choose(page, "golden")
    page.get_by_role("button", name="Move to…").click()
    page.get_by_role("dialog").get_by_label("Search folders").fill("draf")
    page.get_by_role("dialog").get_by_text("loras/drafts").click()
    page.get_by_role("button", name="Move here").click()
    message(page, "Moved 1 LoRA to loras/drafts")
    assert names(loras / "drafts") == ["golden.safetensors"]


def test_a_dropped_file_is_installed_where_it_is_dropped(
    page: Any, loras: Path, tmp_path: Path
) -> None:
    content = demo("stripes", tmp_path / "stripes.safetensors").read_bytes()
    drop_files(page, folder_line(page, "places"), [("awning.safetensors", content, "")])
    page.get_by_text("Installed", exact=True).wait_for()
    assert (loras / "places" / "awning.safetensors").read_bytes() == content
    page.get_by_text("1 chosen").wait_for()
    page.get_by_role("complementary", name="Details").get_by_text("awning").first.wait_for()

    broken = b"<!doctype html><title>Sign in"
    drop_files(page, page.get_by_role("grid"), [
        ("copy.safetensors", content, ""), ("page.safetensors", broken, "")])
    page.get_by_text("places/awning.safetensors has the same content").wait_for()
    refused = page.locator(".upload").filter(has_text="page.safetensors")
    refused.get_by_text(re.compile("web page|HTML")).first.wait_for()
    assert (loras / "copy.safetensors").exists()
    assert not (loras / "page.safetensors").exists()
    assert not list(loras.rglob("*.part"))


def test_a_message_lies_beside_the_box_of_added_files(
    page: Any, loras: Path, tmp_path: Path
) -> None:
    content = demo("stripes", tmp_path / "stripes.safetensors").read_bytes()
    drop_files(page, folder_line(page, "places"), [("awning.safetensors", content, "")])
    page.get_by_text("Installed", exact=True).wait_for()
    choose(page, "night")
    page.keyboard.press("Delete")
    said = message(page, "Moved 1 LoRA to the trash").bounding_box()
    box = page.locator(".uploads").bounding_box()
    beside = said["x"] + said["width"] <= box["x"] or said["y"] >= box["y"] + box["height"]
    assert beside, (said, box)


def test_the_doctor_s_button_settles_a_fault(browser: Any, loras: Path) -> None:
    (loras / "sunset.safetensors").write_text("<!doctype html><title>Sign in</title>")
    whole = write(loras / "cut.safetensors", network("sd1"))
    with whole.open("r+b") as file:
        file.truncate(whole.stat().st_size // 2)
    with opened(browser, loras) as page:
        page.get_by_role("button", name="Faults: 2 files").click()
        sheet = page.get_by_role("dialog", name="Faults")
        sheet.get_by_role("button", name="Move to trash: sunset.safetensors").click()
        message(page, "Moved 1 LoRA to the trash")
        assert not (loras / "sunset.safetensors").exists()
        sheet.get_by_text("sunset.safetensors").wait_for(state="detached")
        sheet.get_by_role("button", name="cut.safetensors", exact=True).click()
        page.get_by_role("complementary", name="Details").get_by_text("cut").first.wait_for()
        page.keyboard.press("Escape")


def test_of_two_copies_one_is_kept(browser: Any, loras: Path) -> None:
    shutil.copy(loras / "styles" / "night.safetensors", loras / "places" / "again.safetensors")
    with opened(browser, loras, hashing=True) as page:
        page.get_by_role("button", name="Duplicates", exact=True).click()
        sheet = page.get_by_role("dialog", name="Duplicates")
        sheet.get_by_role("heading", name="The same file").wait_for()
        keep = "Keep this, trash the others: styles/night.safetensors"
        sheet.get_by_role("button", name=keep).click()
        told = message(page, "Moved 1 LoRA to the trash")
        sheet.get_by_text("No file is there twice.").wait_for()
        assert names(loras / "places") == []
        told.get_by_role("button", name="Undo").click()
        message(page, "Taken back")
        assert names(loras / "places") == ["again.safetensors"]


def test_what_was_done_can_be_taken_back_from_the_history(page: Any, loras: Path) -> None:
    choose(page, "golden")
    page.get_by_role("button", name="Move to trash").click()
    message(page, "Moved 1 LoRA to the trash")
    page.get_by_role("button", name=re.compile("^Activity")).click()
    sheet = page.get_by_role("dialog", name="Activity")
    sheet.get_by_role("button", name="Undo: Moved golden to the trash").click()
    message(page, "Taken back: ")
    message(page, "Taken back: ")
    assert (loras / "styles" / "golden.safetensors").exists()
    page.keyboard.press("Escape")
    sheet.wait_for(state="hidden")


def test_memory_is_told_and_given_back_and_nobody_asks_while_nobody_looks(page: Any) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "v1/engine" in request.url
            else None)
    page.get_by_label("Search LoRAs").fill("night")
    page.get_by_text("1 of 3 LoRAs").wait_for()
    assert not asked
    page.get_by_role("button", name=re.compile("^Activity")).click()
    sheet = page.get_by_role("dialog", name="Activity")
    sheet.get_by_text("LoRAs in memory: 12 files, 340 MB of 2,048 MB").wait_for()
    sheet.get_by_text("In use: 2 files, 40 MB").wait_for()
    sheet.get_by_text("Spare, for the next prompt: 200 MB (cpu)").wait_for()
    sheet.get_by_role("button", name="Free memory").click()
    message(page, "Given back: 200 MB")
    sheet.get_by_text("Spare").wait_for(state="detached")
    page.keyboard.press("Escape")
    sheet.wait_for(state="hidden")
    before = len(asked)
    page.get_by_label("Search LoRAs").fill("")
    page.get_by_text("3 of 3 LoRAs").wait_for()
    assert len(asked) == before == 2
