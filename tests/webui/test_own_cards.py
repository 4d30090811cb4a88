"""The WebUI's own Lora cards: there as ever, and left out where the user says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

for needed in ("torch", "fastapi", "httpx"):
    pytest.importorskip(needed)

from tests.webui.fakehost import FakeWebUI, write_lora  # noqa: E402
from tests.webui.installed import session, webui_with_loradex  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture
def webui(tmp_path: Path) -> Iterator[FakeWebUI]:
    made = webui_with_loradex(tmp_path)
    write_lora(made.lora_dir / "ink.safetensors")
    with made:
        yield made


def cards(webui: FakeWebUI) -> str:
    """What a browser gets that loads the WebUI now."""
    (page,) = [one for one in webui.module("ui_extra_networks").extra_pages if one.name == "lora"]
    made: str = page.create_html("txt2img")
    return made


def test_nothing_of_it_changes_unless_the_user_asks(webui: FakeWebUI) -> None:
    assert "ink" in cards(webui)


def test_left_out_the_page_says_where_the_loras_are_and_tags_work_on(webui: FakeWebUI) -> None:
    webui.set("loradex_own_cards", False)
    shown = cards(webui)
    assert "ink" not in shown
    assert "LoRA manager" in shown
    assert "txt2img_lora_cards" in shown
    assert "ink" in webui.txt2img("a cat <lora:ink:1>").infotext
    webui.set("loradex_own_cards", True)
    assert "ink" in cards(webui)


def test_it_holds_after_a_reload_and_ends_with_loradex(webui: FakeWebUI) -> None:
    webui.set("loradex_own_cards", False)
    webui.reload()
    assert "ink" not in cards(webui)
    session(webui).stop()
    assert "ink" in cards(webui)
