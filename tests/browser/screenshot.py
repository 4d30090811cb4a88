"""Makes the README's picture of the app: python -m tests.browser.screenshot."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.browser.app_in_browser import ROOT, browsing, serving

PICTURE = ROOT / "docs" / "images" / "app.png"
SLOW_MS = 300_000


def take(target: Path) -> None:
    """One picture with a LoRA on the demo model, as the page shows it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder)) as address,
        browsing() as browser,
    ):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(SLOW_MS)
        page.goto(address)
        # The last prompt to try has a network and its trigger word.
        page.click("#what-to-draw .gallery-item:last-child")
        page.fill("#seed input", "1")
        page.click("#generate")
        page.wait_for_selector("#infotext textarea")
        page.wait_for_function(
            "[...document.querySelectorAll('#pictures img')].every(i => i.naturalWidth > 0)"
        )
        page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
        page.mouse.move(0, 0)
        target.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=target)


if __name__ == "__main__":
    take(PICTURE)
    print(f"{PICTURE}: {PICTURE.stat().st_size // 1024} KB")
