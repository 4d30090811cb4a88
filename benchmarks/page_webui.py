"""How fast the page is in a real AUTOMATIC1111, beside the WebUI's own LoRA tab, in one run.

    python -m benchmarks.page_webui --webui PATH                  20,000 files, twenty minutes
    python -m benchmarks.page_webui --webui PATH --files 2000     a quick look

The same files, browser and machine for both. The WebUI's own cards are drawn once, so that its
numbers are single ones where ours are medians.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.library import write_library
from benchmarks.page import (
    FILES,
    HELP,
    WORDS,
    Numbers,
    listed,
    measure,
    table,
    wait_until,
    write_pictures,
)
from tests.browser.app_in_browser import browsing
from tests.real_webui.host import PYTHON, DataFolder, Installation, installation_at
from tests.real_webui.models import SD1, make_models, start

TAB = "LoRA manager"
PATIENCE_MS = 600_000
START_S = 1800.0
"""The built-in reads every header before the WebUI answers."""

CLICK = """async () => {
    const tab = [...document.querySelectorAll("#txt2img_extra_tabs > .tab-nav button")]
        .find((button) => button.textContent.trim() === "Lora");
    const shown = () => document.querySelector("#txt2img_lora_cards .card")?.checkVisibility();
    const began = performance.now();
    tab.click();
    while (!shown()) await frame();
    return (await frame()) - began;
}"""
TYPE = """async (word) => {
    const box = document.querySelector("#txt2img_lora_extra_search");
    const times = [];
    for (let length = 1; length <= word.length; length += 1) {
        const began = performance.now();
        box.value = word.slice(0, length);
        box.dispatchEvent(new InputEvent("input", { bubbles: true }));
        times.push((await frame()) - began);
    }
    return times;
}"""
NODES = "document.querySelectorAll('#txt2img_lora_cards *').length"


@contextmanager
def webui(
    installation: Installation, folder: Path, count: int
) -> Iterator[tuple[str, Path, float]]:
    """A WebUI over `count` new files, once ours and its own list hold them."""
    root = folder / "loras"
    write_library(root, count)
    write_pictures(root)
    models = make_models(installation, folder, ("narrow-sd1",))
    data = DataFolder(folder / "data")
    data.prepare()
    host = start(installation, models, data, "--lora-dir", str(root), checkpoint=SD1)
    host.patience_s = START_S
    with host:
        wait_until(lambda: listed(host.address) >= count)
        yield host.address, root, host.start_seconds


def own_tab(address: str) -> Numbers:
    """The WebUI's own tab: opened, searched, counted."""
    with browsing() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        page.add_init_script(HELP)
        began = time.perf_counter()
        page.goto(address, timeout=PATIENCE_MS)
        page.wait_for_selector("#txt2img_lora_cards .card", state="attached")
        ready = time.perf_counter() - began
        page.wait_for_timeout(3000)
        click: float = page.evaluate(CLICK)
        times = sorted(one for word in WORDS[:2] for one in typed(page, word))
        return {"tab click to first card, ms": click, "page start to its cards, s": ready,
                "keystroke to painted p50, ms": statistics.median(times),
                "keystroke to painted p95, ms": times[int(len(times) * 0.95)],
                "DOM nodes": page.evaluate(NODES)}


def switch_own_cards(address: str, shown: bool) -> None:
    """Loradex' setting of that name; the WebUI keeps a page once made until its refresh."""
    asked = urllib.request.Request(
        f"{address}/sdapi/v1/options", json.dumps({"loradex_own_cards": shown}).encode(),
        {"Content-Type": "application/json"})
    urllib.request.urlopen(asked, timeout=60).close()
    with browsing() as browser:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(address, timeout=PATIENCE_MS)
        for tab in ("txt2img", "img2img"):
            pressed = f"#{tab}_lora_extra_refresh_internal"
            page.wait_for_selector(pressed, state="attached")
            page.evaluate(f"document.querySelector('{pressed}').click()")
        page.wait_for_function(f"{NODES} === 0")


def typed(page: Any, word: str) -> list[float]:
    times: list[float] = page.evaluate(TYPE, word)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--webui", type=Path, required=True, help="the WebUI's folder")
    parser.add_argument("--python", type=Path, help=f"its Python, as {PYTHON} says it otherwise")
    parser.add_argument("--files", type=int, default=FILES)
    parser.add_argument("--json", type=Path, help="write the numbers here")
    given = parser.parse_args()
    if given.python:
        os.environ[PYTHON] = str(given.python)
    found: dict[str, Numbers] = {}
    with (
        tempfile.TemporaryDirectory(prefix="loradex-page-") as folder,
        webui(installation_at(given.webui), Path(folder), given.files) as (address, root, seconds),
    ):
        def without_own_cards() -> Numbers:
            for file in root.glob("just arrived *"):  # the first measurement's
                file.unlink()
            wait_until(lambda: listed(address) <= given.files)
            switch_own_cards(address, False)
            return measure(address, root, TAB)

        for name, work in (("Loradex", lambda: measure(address, root, TAB)),
                           ("the WebUI's own tab", lambda: own_tab(address)),
                           ("Loradex, own cards not drawn", without_own_cards)):
            found[name] = work()
            found[name]["start of the WebUI, s"] = seconds
            print(f"{name}\n{table(found[name])}\n", flush=True)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
