"""Loradex' routes on the WebUI's app, and its tab: behind the login, escaped, and small."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

for needed in ("torch", "fastapi", "httpx"):
    pytest.importorskip(needed)

from tests.webui.fakehost import FakeWebUI, write_lora  # noqa: E402
from tests.webui.installed import session, webui_with_loradex  # noqa: E402

pytestmark = pytest.mark.torch

LOCAL = {"host": "127.0.0.1"}
EVIL = "<img src=x onerror=alert(1)>"


def password_protected(base: Path, pairs: str) -> FakeWebUI:
    """As with `--api-auth`, whose value is read when the app starts."""
    give = ("auth", {"scripts/auth.py": (
        "from modules import shared\n"
        f"shared.cmd_opts.api_auth = {pairs!r}\n")})
    return webui_with_loradex(base, give)


def test_with_api_auth_nobody_reads_without_the_password(tmp_path: Path) -> None:
    with password_protected(tmp_path, "me:secret,you:other") as webui:
        client = webui.api()
        for path in ("applied", "status", "networks", "checkpoint"):
            answer = client.get(f"/loradex/v1/{path}", headers=LOCAL)
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"].startswith("Basic")
            for pair in (("me", "secret"), ("you", "other")):
                assert client.get(
                    f"/loradex/v1/{path}", headers=LOCAL, auth=pair).status_code != 401
            assert client.get(
                f"/loradex/v1/{path}", headers=LOCAL, auth=("me", "other")).status_code == 401
        assert client.post("/loradex/v1/refresh", headers=LOCAL).status_code in (401, 403)


def test_the_password_is_asked_for_after_a_reload_too(tmp_path: Path) -> None:
    with password_protected(tmp_path, "me:secret") as webui:
        webui.reload()
        assert webui.api().get("/loradex/v1/applied", headers=LOCAL).status_code == 401


def test_a_page_of_another_site_may_not_ask(tmp_path: Path) -> None:
    with webui_with_loradex(tmp_path) as webui:
        client = webui.api()
        foreign = {**LOCAL, "origin": "https://example.com", "sec-fetch-site": "cross-site"}
        assert client.post("/loradex/v1/refresh", headers=foreign).status_code == 403
        assert client.get("/loradex/v1/status", headers={"host": "evil.test"}).status_code == 403
        assert client.get("/loradex/v1/status", headers=LOCAL).status_code == 200


def test_the_status_says_who_applies_networks(tmp_path: Path) -> None:
    with webui_with_loradex(tmp_path) as webui:
        def status() -> dict[str, Any]:
            told: dict[str, Any] = webui.api().get("/loradex/v1/status", headers=LOCAL).json()
            return told

        assert status()["engine"] == {"on": True, "reason": ""}
        assert status()["host"] == "a1111"
        webui.set("loradex_engine", False)
        assert status()["engine"]["on"] is False
        assert "settings" in status()["engine"]["reason"]


def test_the_list_and_the_checkpoint_come_over_the_api(tmp_path: Path) -> None:
    webui = webui_with_loradex(tmp_path)
    write_lora(webui.lora_dir / "a.safetensors")
    with webui:
        session(webui).opened_catalog().refresh()
        listed = webui.api().get("/loradex/v1/networks", headers=LOCAL).json()
        assert "a.safetensors" in str(listed)
        told = webui.api().get("/loradex/v1/checkpoint", headers=LOCAL)
        assert told.status_code == 200


def evil_files(webui: FakeWebUI) -> None:
    write_lora(webui.lora_dir / "plain.safetensors", metadata={
        "ss_output_name": EVIL, "modelspec.title": EVIL, "modelspec.trigger_phrase": EVIL,
        "modelspec.description": EVIL, "ss_tag_frequency": f'{{"1_x": {{"{EVIL}": 3}}}}'})
    file = write_lora(webui.lora_dir / "other.safetensors")
    file.rename(webui.lora_dir / "q'\"&.safetensors")
    (webui.lora_dir / "broken&co.safetensors").write_bytes(b"\0" * 50)


def shown(webui: FakeWebUI, **fields: Any) -> str:
    """What the tab lists."""
    from loradex.webui.tab import LoraTab

    tab = LoraTab(SimpleNamespace(session=session(webui)))
    asked = {"text": "", "family": "all", "fits": "all", "faulty": False, "page": 1, **fields}
    return tab.show(**asked)


def test_texts_out_of_files_are_escaped_in_the_tab(tmp_path: Path) -> None:
    from html.parser import HTMLParser

    class Tags(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.found: set[str] = set()
            self.attributes: set[str] = set()

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found.add(tag)
            self.attributes.update(name for name, _ in attrs)

    webui = webui_with_loradex(tmp_path)
    evil_files(webui)
    with webui:
        session(webui).opened_catalog().refresh()
        listed = shown(webui)
        parser = Tags()
        parser.feed(listed)
    assert EVIL not in listed
    assert "&lt;img" in listed
    assert parser.found <= {"p", "table", "thead", "tbody", "tr", "th", "td", "b", "button", "span",
                            "div"}
    assert parser.attributes <= {"class", "type", "title", "data-loradex-insert"}


def test_the_tab_filters_and_turns_pages(tmp_path: Path) -> None:
    webui = webui_with_loradex(tmp_path)
    small = write_lora(webui.lora_dir / "f0.safetensors", parts=["te"]).read_bytes()
    for number in range(1, 120):
        (webui.lora_dir / f"f{number}.safetensors").write_bytes(small)
    (webui.lora_dir / "bad.safetensors").write_bytes(b"\0" * 50)
    with webui:
        session(webui).opened_catalog().refresh()
        assert shown(webui).count("<tr>") == 51
        assert "121 files, page 3 of 3" in shown(webui, page=3)
        assert shown(webui, page=3).count("<tr>") == 22
        assert "page 1 of" in shown(webui, page=None)
        assert "1 files" in shown(webui, text="f77")
        faulty = shown(webui, faulty=True)
        assert "bad" in faulty
        assert faulty.count("<tr>") == 2
        assert "No file matches" in shown(webui, text="nothing like this")
        assert len(shown(webui)) < 100_000


def test_a_tab_without_a_session_says_so() -> None:
    from loradex.webui.tab import LoraTab

    assert "not running" in LoraTab(SimpleNamespace(session=None)).show("", "all", "all", False, 1)


def test_the_first_paint_of_the_tab_is_small_and_lists_nothing(tmp_path: Path) -> None:
    """Fifty files or five hundred: the list comes when the tab is opened."""
    pytest.importorskip("gradio")
    import json

    sizes = []
    for base, count in ((tmp_path / "few", 1), (tmp_path / "many", 60)):
        webui = webui_with_loradex(base, gradio=True)
        small = write_lora(webui.lora_dir / "ink-0.safetensors", parts=["te"]).read_bytes()
        for number in range(1, count):
            (webui.lora_dir / f"ink-{number}.safetensors").write_bytes(small)
        with webui:
            (entry,) = [
                one for one in webui.module("script_callbacks").callback_map["callbacks_ui_tabs"]
                if one.callback.__module__.startswith("loradex")]
            ((blocks, title, element),) = entry.callback()
            assert (title, element) == ("LoRA manager", "loradex")
            page = json.dumps(blocks.get_config_file(), default=str)
            assert "ink-" not in page
            sizes.append(len(page))
    assert max(sizes) < 100_000
