"""Loradex' routes on the WebUI's app, and its tab: behind the login, and small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

for needed in ("torch", "fastapi", "httpx"):
    pytest.importorskip(needed)

from tests.server.kit import PROGRAM, requests_of  # noqa: E402
from tests.webui.fakehost import FakeWebUI, write_lora  # noqa: E402
from tests.webui.installed import session, webui_with_loradex  # noqa: E402

pytestmark = pytest.mark.torch

ROOT = Path(__file__).resolve().parents[2]
LOCAL = {"host": "127.0.0.1"}


def password_protected(base: Path, pairs: str, option: str = "api_auth") -> FakeWebUI:
    """As with `--api-auth` or `--gradio-auth`, whose value is read when the app starts."""
    give = ("auth", {"scripts/auth.py": (
        "from modules import shared\n"
        f"shared.cmd_opts.{option} = {pairs!r}\n")})
    return webui_with_loradex(base, give)


@pytest.mark.parametrize("option", ["api_auth", "gradio_auth"])
def test_no_route_at_all_answers_without_the_login(tmp_path: Path, option: str) -> None:
    """Whichever routes there are on the WebUI's app, also after a reload of its UI."""
    with password_protected(tmp_path, "me:secret", option) as webui:
        for _ in range(2):
            client = webui.api()
            for method, path in requests_of(webui.app.routes):
                answer = client.request(method, path, headers={**LOCAL, **PROGRAM})
                assert answer.status_code == 401, f"{method} {path}"
            cookie = {**LOCAL, "cookie": "access-token=me"}
            given = cookie if option == "gradio_auth" else LOCAL
            auth = ("me", "secret") if option == "api_auth" else None
            status = client.get("/loradex/v1/status", headers=given, auth=auth)
            assert status.status_code == 200
            webui.reload()


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


def test_the_engine_s_memory_is_told_and_given_back(tmp_path: Path) -> None:
    webui = webui_with_loradex(tmp_path, options={"loradex_cache_mb": 7})
    write_lora(webui.lora_dir / "a.safetensors", parts=["te"])
    with webui:
        client = webui.api()
        webui.txt2img("ink <lora:a:1>")
        held = client.get("/loradex/v1/engine", headers=LOCAL).json()["memory"]
        assert (held["networks"], held["used"], held["budget_bytes"]) == (1, 1, 7 << 20)
        assert held["device"] == "cpu"
        assert min(held["network_bytes"], held["live_bytes"]) > 0
        webui.txt2img("ink")
        token = client.get("/loradex/v1/status", headers=LOCAL).json()["token"]
        told = client.post("/loradex/v1/engine/release", headers={
            **LOCAL, "x-loradex": "1", "x-loradex-token": token}).json()
        assert told["memory"]["networks"] == told["memory"]["spare_bytes"] == 0
        assert told["freed_bytes"] >= held["network_bytes"]


def test_the_page_comes_from_the_webuis_own_server(tmp_path: Path) -> None:
    with webui_with_loradex(tmp_path) as webui:
        client = webui.api()
        loader = client.get("/loradex/web/loradex.js?attempt=3", headers=LOCAL)
        assert loader.headers["content-type"].startswith("text/javascript")
        assert b"import(" in loader.content
    script = ROOT / "javascript" / "loradex.js"
    assert "loradex/web/loradex.js?attempt=" in script.read_text(encoding="utf-8")


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


@pytest.mark.parametrize(("localization", "lang"), [
    ("None", ""), ("zh_CN", "zh-CN"), ("zh-Hans (Stable)", "zh-Hans"), ("German", ""),
    ('"><script>', ""), ("zh_CN\" onclick=x", "zh-CN"),
])
def test_the_page_speaks_the_language_of_the_webuis_localization(
    localization: str, lang: str
) -> None:
    from loradex.webui.tab import element

    start = f'<loradex-manager lang="{lang}">' if lang else "<loradex-manager>"
    assert element(localization).startswith(start)
