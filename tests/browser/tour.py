"""Makes the pictures of docs/tour.md and the page's in the README: python -m tests.browser.tour."""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from standalone.demo import DEMO_LORAS
from tests.browser.app_in_browser import ROOT, browsing, serving
from tests.browser.ordinary import make_library

IMAGES = ROOT / "docs" / "images"
SLOW_MS = 120_000
SETTLE_MS = 700
QUALITY = 82
DROP = """([name, content]) => {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    const data = new DataTransfer();
    data.items.add(new File([bytes], name));
    const target = document.querySelector("loradex-manager").page.grid.element;
    for (const kind of ["dragenter", "dragover", "drop"]) {
        target.dispatchEvent(new DragEvent(kind, {
            dataTransfer: data, bubbles: true, composed: true, cancelable: true }));
    }
}"""

Take = Callable[[str], None]


def card(page: Any, name: str) -> Any:
    return page.locator("loradex-manager .card").filter(has=page.locator(".name", has_text=name))


def to(page: Any, tab: str) -> None:
    page.get_by_role("tab", name=tab).click()
    page.wait_for_timeout(SETTLE_MS)


def five_minutes(page: Any, take: Take) -> None:
    """What a first-time user does, with a picture of each step."""
    to(page, "LoRAs")
    page.locator("loradex-manager .card .picture img.there").first.wait_for()
    take("tour-1-library")
    content = base64.b64encode((DEMO_LORAS / "stripes.safetensors").read_bytes()).decode()
    page.evaluate(DROP, ["from the web.safetensors", content])
    page.get_by_text("Installed").first.wait_for()
    page.wait_for_timeout(SETTLE_MS)
    take("tour-2-dropped")
    page.locator("loradex-manager .uploads button[aria-label]").first.click()
    page.keyboard.press("Escape")
    page.wait_for_timeout(SETTLE_MS)
    take("tour-3-details")
    page.get_by_role("button", name="Insert into the prompt").first.click()
    to(page, "Generate")
    page.click("#generate")
    page.wait_for_selector("#infotext textarea")
    page.wait_for_timeout(SETTLE_MS)
    take("tour-4-generated")
    to(page, "LoRAs")
    search = page.get_by_role("searchbox", name="Search LoRAs")
    search.fill("stripes -awning -candy")
    page.locator("loradex-manager .card .report:not([hidden])").first.wait_for()
    take("tour-5-report")
    search.fill("")
    page.get_by_role("button", name="Faults").first.click()
    page.wait_for_timeout(SETTLE_MS)
    take("tour-6-faults")


def widths(browser: Any, address: str) -> None:
    """The page by day and by night, and on a phone."""
    for name, width, height, scheme in (
        ("page-light", 1440, 900, "light"), ("page-dark", 1024, 768, "dark"),
        ("page-phone", 390, 844, "light"),
    ):
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        page.set_default_timeout(SLOW_MS)
        page.goto(address)
        page.wait_for_selector("#prompt textarea")
        to(page, "LoRAs")
        page.locator("loradex-manager .card .picture img.there").first.wait_for()
        if scheme == "dark":
            card(page, "gold leaf").first.locator("[data-do=info]").click()
            page.locator("loradex-manager .panel section").nth(3).wait_for()
        page.wait_for_timeout(2 * SETTLE_MS)
        page.screenshot(path=IMAGES / f"{name}.jpg", type="jpeg", quality=QUALITY)
        page.close()


def main() -> None:
    """Makes all of them over an ordinary library."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        os.environ["LORADEX_HOME"] = str(folder / "home")
        library = make_library(folder / "loras", folder / "pictures")
        with serving(folder, ["--lora-dir", str(library)]) as address, browsing() as browser:
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.set_default_timeout(SLOW_MS)
            page.goto(address)
            page.wait_for_selector("#prompt textarea")
            five_minutes(page, lambda name: page.screenshot(
                path=IMAGES / f"{name}.jpg", type="jpeg", quality=QUALITY))
            page.close()
            widths(browser, address)


if __name__ == "__main__":
    main()
    for image in sorted(IMAGES.glob("*.jpg")):
        print(f"{image.name}: {image.stat().st_size // 1024} KB")
