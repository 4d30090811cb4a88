"""The page for those who see, point or read otherwise: axe-core's findings and the languages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.browser.app_in_browser import ROOT, first_card, looking_at
from tests.browser.page_server import page_of
from tests.standalone.libraries import write_library

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
pytest.importorskip("playwright")
needs_axe = pytest.mark.skipif(  # in CI it has to be there
    not AXE.exists() and not os.environ.get("CI"), reason="no axe-core here: npm ci")

WIDTHS = {"desk": (1440, 900), "tablet": (1024, 768), "phone": (390, 844)}
SERIOUS = """async () => {
    const found = await axe.run(document, { resultTypes: ["violations"] });
    const bad = found.violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
    return bad.map(({ id, nodes: [first, ...more] }) => (
        [id, 1 + more.length, first.target.join(" "), first.failureSummary]));
}"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("access")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LORADEX_HOME", str(folder / "home"))
        with page_of((write_library(folder / "loras"),)) as found:
            yield found


@contextmanager
def opened(browser: Any, address: str, width: str, **options: Any) -> Iterator[Any]:
    with looking_at(browser, address, size=WIDTHS[width], **options) as page:
        first_card(page)
        yield page


def check(page: Any) -> None:
    assert page.evaluate(SERIOUS) == []


@needs_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_serious(
    browser: Any, address: str, scheme: str, width: str
) -> None:
    calm = {"color_scheme": scheme, "reduced_motion": "reduce"}
    with opened(browser, address, width, **calm) as page:
        page.add_script_tag(content=AXE.read_text(encoding="utf-8"))
        check(page)
        page.get_by_label("Show as a list").click()
        check(page)
        page.get_by_label("Show as a list").click()
        page.locator(".card").first.locator("[data-do=info]").click()
        page.get_by_role("complementary", name="Details").get_by_label("Notes").first.wait_for()
        check(page)
        page.keyboard.press("Escape")
        for sheet in ("Faults", "Duplicates"):
            page.get_by_role("button", name=sheet).first.click()
            page.get_by_role("dialog", name=sheet).get_by_role("listitem").or_(
                page.get_by_role("dialog", name=sheet).get_by_role("article")).first.wait_for()
            check(page)
            page.keyboard.press("Escape")


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_window(browser: Any, address: str, width: str) -> None:
    with opened(browser, address, width) as page:
        page.locator(".card").first.locator("[data-do=info]").click()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_page_speaks_the_browser_s_language(browser: Any, address: str) -> None:
    with opened(browser, address, "desk", locale="zh-CN") as page:
        assert page.evaluate("document.querySelector('loradex-manager').lang") == "zh-CN"
        search = page.locator("loradex-manager input[type=search]")
        hint = search.get_attribute("placeholder")
        assert any("\u4e00" <= letter <= "\u9fff" for letter in hint)
