"""How fast the page is with thousands of LoRAs, as Chromium sees it.

    python -m benchmarks.page                  20,000 files in the standalone, a few minutes
    python -m benchmarks.page --files 2000     a quick look
    python -m benchmarks.page --address URL --tab "LoRA manager" --lora-dir DIR
                                               a WebUI that runs already, over its own files

Each file has a real header and a picture of its own name. A measurement begins with what a person
does (a click, a letter, a turn of the wheel) and ends with the frame that shows the answer.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.library import write_library, write_network
from tests.browser.app_in_browser import browsing, serving

FILES = 20_000
VISITS = 5
PICTURES = 200
WORDS = ("network 1", "folder 12", "subject7", "flux", "network 19998")
IDLE_S = 10
SETTLED_MS = 4000
NEW_FILES = 5
PATIENCE_S = 180
BOUNDS = {
    "tab click to first card, ms": 150, "keystroke to painted p95, ms": 25,
    "scroll frame p95, ms": 33, "longest task while scrolling, ms": 100,
    "DOM nodes": 3000, "bytes until usable": 1e6, "bytes of the second visit": 5e4,
    "file to card, s": 2.5,
}
"""The medians of the first five and the values of the others must not be above these."""

HELP = """
window.frame = () => new Promise((done) => requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();   // a task after the frame was painted
    port1.onmessage = () => done(performance.now());
    port2.postMessage(0);
}));
window.root = () => document.querySelector("loradex-manager")?.shadowRoot;
window.p95 = (all) => [...all].sort((a, b) => a - b)[Math.floor(all.length * 0.95)];
"""
CLICK = """async (tab) => {
    const shown = () => [...root()?.querySelectorAll(".card .name") ?? []]
        .some((name) => name.textContent && name.checkVisibility());
    const began = performance.now();
    tab.click();
    while (!shown()) await frame();
    return (await frame()) - began;
}"""
TYPE = """async (word) => {
    const box = root().querySelector("input[type=search]");
    const times = [];
    for (let length = 1; length <= word.length; length += 1) {
        const began = performance.now();
        box.value = word.slice(0, length);
        box.dispatchEvent(new InputEvent("input", { bubbles: true, composed: true }));
        times.push((await frame()) - began);
        await new Promise((done) => setTimeout(done, 60));   // a fast typist
    }
    box.value = "";
    box.dispatchEvent(new InputEvent("input", { bubbles: true, composed: true }));
    await frame();
    return times;
}"""
SCROLL = """async () => {
    const tasks = [0];
    new PerformanceObserver((list) => tasks.push(...list.getEntries().map((one) => one.duration)))
        .observe({ type: "longtask" });
    const grid = root().querySelector(".grid"), frames = [];
    let last = await new Promise(requestAnimationFrame);
    for (let turn = 0; turn < 300; turn += 1) {
        grid.scrollTop += turn % 60 === 59 ? 20000 : 120;    // the wheel, and now and then a jump
        const now = await new Promise(requestAnimationFrame);
        frames.push(now - last);
        last = now;
    }
    grid.scrollTop = 0;
    return [p95(frames), Math.max(...tasks)];
}"""

PAUSE = """() => document.querySelector("loradex-manager").page.context.api
    .send("POST", "hashing", { paused: true })"""

Numbers = dict[str, float]


# -- what is looked at


def write_pictures(root: Path) -> None:
    """A picture beside every file; few different ones, each linked to many names."""
    from PIL import Image

    chance = random.Random(2)
    drawn = root.parent / "pictures"
    drawn.mkdir(exist_ok=True)
    for number in range(PICTURES):
        noise = Image.frombytes("RGB", (16, 24), chance.randbytes(16 * 24 * 3))
        noise.resize((512, 768), Image.Resampling.BICUBIC).save(drawn / f"{number}.jpg")
    for number, path in enumerate(sorted(root.rglob("*.safetensors"))):
        os.link(drawn / f"{number % PICTURES}.jpg", path.with_suffix(".preview.jpg"))


@contextmanager
def standalone(count: int) -> Iterator[tuple[str, Path]]:
    """The app over `count` new files, once its list holds them all."""
    with tempfile.TemporaryDirectory(prefix="loradex-page-") as folder, ExitStack() as stack:
        root = Path(folder) / "loras"
        write_library(root, count)
        write_pictures(root)
        os.environ["LORADEX_HOME"] = str(Path(folder) / "home")
        address = stack.enter_context(serving(Path(folder), ["--lora-dir", str(root)]))
        wait_until(lambda: listed(address) >= count)
        yield address, root


def listed(address: str) -> int:
    url = f"{address.rstrip('/')}/loradex/v1/networks?limit=1"
    with urllib.request.urlopen(url, timeout=60) as answer:
        return int(json.load(answer)["total"])


def wait_until(reached: Callable[[], bool]) -> float:
    """Seconds until it was so."""
    began = time.perf_counter()
    while not reached():
        if time.perf_counter() - began > PATIENCE_S:
            raise TimeoutError("the host did not get there")
        time.sleep(0.02)
    return time.perf_counter() - began


# -- a person at the page


class Visit:
    """One visit of the page, with the bytes that it fetches."""

    def __init__(self, context: Any, address: str, tab: str) -> None:
        self.page = context.new_page()
        self.page.set_default_timeout(60_000)
        self.bytes = 0
        self.asked = 0
        self._ours: set[str] = set()
        self.wire = context.new_cdp_session(self.page)
        self.wire.send("Network.enable")
        self.wire.send("Performance.enable")
        self.wire.on("Network.requestWillBeSent", self._sent)
        self.wire.on("Network.loadingFinished", self._finished)
        self.page.add_init_script(HELP)
        self.page.goto(address)
        self.tab = self.page.get_by_role("tab", name=tab).or_(
            self.page.get_by_role("button", name=tab, exact=True)).first
        self.tab.wait_for()
        self.page.wait_for_timeout(SETTLED_MS)  # the host's own start is not what is measured

    def _sent(self, event: dict[str, Any]) -> None:
        url = event["request"]["url"]
        self.asked += 1
        if "/loradex/" in url and "/previews/" not in url:
            self._ours.add(event["requestId"])

    def _finished(self, event: dict[str, Any]) -> None:
        if event["requestId"] in self._ours:
            self.bytes += int(event["encodedDataLength"])

    def open(self) -> float:
        """Milliseconds from the click on the tab to the first card."""
        found: float = self.page.evaluate(CLICK, self.tab.element_handle())
        return found

    def nodes(self) -> int:
        """Elements of the page at any time: they are counted after scrolling."""
        found: int = self.page.evaluate("root().querySelectorAll('*').length")
        return found

    def idle(self) -> tuple[int, float]:
        """Requests, and the share of the time that the page's thread was busy."""
        asked, busy = self.asked, self._busy()
        self.page.wait_for_timeout(IDLE_S * 1000)
        return self.asked - asked, (self._busy() - busy) / IDLE_S

    def _busy(self) -> float:
        metrics = self.wire.send("Performance.getMetrics")["metrics"]
        return next(float(one["value"]) for one in metrics if one["name"] == "TaskDuration")


def measure(address: str, root: Path, tab: str) -> Numbers:
    with browsing() as browser:
        pause_hashing(browser, address, tab)
        found = loading(browser, address, tab)
        context = browser.new_context(viewport={"width": 1400, "height": 900})
        visit = Visit(context, address, tab)
        _, before = visit.idle()
        visit.open()
        visit.page.wait_for_timeout(2000)
        found |= using(visit)
        found["file to card, s"] = statistics.median(following(visit.page, root))
        visit.page.wait_for_timeout(3000)
        requests, busy = visit.idle()
        return found | {"requests when idle": requests, "busy when idle, %": 100 * busy,
                        "busy before the tab was opened, %": 100 * before}


def pause_hashing(browser: Any, address: str, tab: str) -> None:
    """With the page's own switch: terabytes would be read for hours, and a core is busy with it."""
    visit = Visit(browser.new_context(), address, tab)
    visit.open()
    visit.page.evaluate(PAUSE)
    visit.page.close()


def loading(browser: Any, address: str, tab: str) -> Numbers:
    """First visits, each with an empty cache, and one that comes back."""
    clicks, first, second = [], 0, 0
    for _ in range(VISITS):
        context = browser.new_context(viewport={"width": 1400, "height": 900})
        visit = Visit(context, address, tab)
        clicks.append(visit.open())
        first = visit.bytes
        visit.page.close()
        again = Visit(context, address, tab)
        again.open()
        second = again.bytes
        context.close()
    return {"tab click to first card, ms": statistics.median(clicks),
            "the slowest of them, ms": max(clicks),
            "bytes until usable": first, "bytes of the second visit": second}


def using(visit: Visit) -> Numbers:
    times = sorted(one for word in WORDS for one in visit.page.evaluate(TYPE, word))
    frame, task = visit.page.evaluate(SCROLL)
    return {"keystroke to painted p50, ms": statistics.median(times),
            "keystroke to painted p95, ms": times[int(len(times) * 0.95)],
            "scroll frame p95, ms": frame, "longest task while scrolling, ms": task,
            "DOM nodes": visit.nodes()}


def following(page: Any, root: Path) -> list[float]:
    """Seconds from the last byte of a new file to its card."""
    box = page.locator("loradex-manager input[type=search]")
    box.fill("just arrived")
    times = []
    for number in range(NEW_FILES):
        write_network(root / f"just arrived {number}.safetensors", number, random.Random(number))
        began = time.perf_counter()
        page.locator("loradex-manager .card").nth(number).wait_for()
        times.append(time.perf_counter() - began)
    return times


def table(found: Numbers) -> str:
    lines = []
    for name, value in found.items():
        bound = BOUNDS.get(name)
        told = "" if bound is None else f"{bound:>12,.4g}  {'ok' if value <= bound else 'MISSED'}"
        lines.append(f"{name:34}{value:14,.1f}{told}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=int, default=FILES)
    parser.add_argument("--address", default="", help="of a host that runs already")
    parser.add_argument("--lora-dir", type=Path, help="the folder that it watches")
    parser.add_argument("--tab", default="LoRAs", help="what the tab is called there")
    parser.add_argument("--json", type=Path, help="write the numbers here")
    given = parser.parse_args()
    if given.address:
        found = measure(given.address, given.lora_dir, given.tab)
    else:
        with standalone(given.files) as (address, root):
            found = measure(address, root, given.tab)
    print(table(found))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
