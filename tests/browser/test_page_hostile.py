"""Words in files are words: whatever a file says of itself, nothing of it runs on the page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.app_in_browser import first_card, looking_at
from tests.browser.page_server import page_of
from tests.standalone.libraries import network, write

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
pytest.importorskip("playwright")

EVIL = "<img class=evil src=x onerror='window.hacked=1'><script>window.hacked=1</script>"
ATTRIBUTE = "\" onmouseover=\"window.hacked=1\" autofocus onfocus=\"window.hacked=1"
LINK = "[click](javascript:window.hacked=1)"
FIELDS = (
    "modelspec.title", "modelspec.author", "modelspec.description", "modelspec.tags",
    "modelspec.trigger_phrase", "modelspec.license", "modelspec.usage_hint",
    "ss_training_comment", "ss_sd_model_name", "ss_optimizer", "ss_network_module")
METADATA = {
    **dict.fromkeys(FIELDS, EVIL),
    "ss_output_name": ATTRIBUTE,
    "ss_tag_frequency": json.dumps({EVIL: {EVIL: 9, ATTRIBUTE: 8}}),
    "modelspec.thumbnail": "javascript:window.hacked=1",
}
SIDECAR = {"description": f"{EVIL} {LINK}", "activation text": EVIL, "notes": EVIL + ATTRIBUTE,
           "sd version": EVIL}
TRACES = """() => {
    const root = document.querySelector("loradex-manager").shadowRoot;
    return [window.hacked ?? 0, root.querySelectorAll(".evil, script, iframe").length,
        root.querySelectorAll("[onerror], [onmouseover], [onfocus]").length,
        [...root.querySelectorAll("a")].filter((link) => !/^https?:/.test(link.href)).length];
}"""


@pytest.fixture
def page(browser: Any, tmp_path: Path, own_bin: Path) -> Iterator[Any]:
    folder = tmp_path / "loras"
    write(folder / "hostile.safetensors", network("sd1"), METADATA)
    (folder / "hostile.json").write_text(json.dumps(SIDECAR), encoding="utf-8")
    write(folder / "<img src=x onerror=alert(1)> & 'b'.safetensors", network("sd1"))
    (folder / "<i class=evil>broken.safetensors").write_text(EVIL)
    with page_of((folder,)) as address, looking_at(browser, address) as page:
        page.on("dialog", lambda dialog: pytest.fail(f"a dialog: {dialog.message}"))
        first_card(page)
        yield page


def test_no_text_of_a_file_becomes_markup(page: Any) -> None:
    for place in range(3):
        page.locator(".card").nth(place).locator("[data-do=info]").click()
        page.locator(".panel").get_by_role("button", name="Rename").wait_for()
        for fold in page.locator(".panel summary").all():
            fold.click()
        page.locator(".panel").hover()
    assert page.evaluate(TRACES) == [0, 0, 0, 0]
    page.get_by_role("button", name="Faults").first.click()
    page.locator(".sheet").get_by_text("broken").first.wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("searchbox").fill(EVIL)
    page.locator("#txt2img_prompt textarea").fill("<lora:<img src=x onerror=alert(1)>:1> <lora:")
    page.wait_for_timeout(300)
    assert page.evaluate(TRACES) == [0, 0, 0, 0]
