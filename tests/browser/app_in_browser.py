"""The app in a process of its own and a headless Chromium to look at it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome")
# As root in a container, and without the browser's own errands to the network.
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)


def chromium() -> str:
    """The system's Chromium, or nothing."""
    return next((path for name in NAMES if (path := shutil.which(name))), "")


@contextmanager
def serving(folder: Path, options: Sequence[str] = ()) -> Iterator[str]:
    """The app's address while it runs with `folder` as its working directory."""
    path = os.pathsep.join([str(ROOT / "extension"), str(ROOT)])
    command = [sys.executable, "-m", "standalone", "--no-browser", *options]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            address = re.search(r"http://\S+", line)
            if not address:
                raise RuntimeError(f"the app did not start: {line}")
            yield address[0]
        finally:
            process.terminate()


def browser_for_tests() -> Iterator[Any]:
    """What a fixture yields: a browser; without Chromium tests are skipped, in CI they fail."""
    import pytest

    if not chromium():
        told = "no Chromium here; on Debian: apt-get install chromium"
        pytest.fail(told) if os.environ.get("CI") else pytest.skip(told)
    with browsing() as opened:
        yield opened


@contextmanager
def looking_at(
    browser: Any, address: str, *, size: tuple[int, int] = (1440, 900), wait_ms: int = 20_000,
    console: bool = False, **options: Any,
) -> Iterator[Any]:
    """A tab of the browser at an address; in the end nothing in it went wrong by itself.

    With `console` what the page writes to the console as an error counts too.
    """
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, **options)
    page.set_default_timeout(wait_ms)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    if console:
        page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
    page.goto(address)
    yield page
    page.close()
    assert faults == []


def first_card(page: Any) -> None:
    """Waits until the list is there."""
    page.locator("loradex-manager .card").first.wait_for()


@contextmanager
def browsing() -> Iterator[Any]:
    """A browser of Playwright's with an empty profile."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()
