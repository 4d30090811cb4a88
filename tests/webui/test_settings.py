"""The settings section: each setting is there, explained, documented, and takes effect."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from loradex.webui.settings import MEGABYTE, SETTINGS, WATCH

ROOT = Path(__file__).resolve().parents[2]

DOCUMENTED = (ROOT / "docs" / "webui.md").read_text(encoding="utf-8")


def shown(value: bool | int) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def test_the_documents_table_is_the_settings() -> None:
    rows = re.findall(r"^\| (.+?) \| `(loradex_\w+)` \| (.+?) \| (.+?) \|$", DOCUMENTED, re.M)
    assert rows == [(one.label, one.key, shown(one.default), one.help) for one in SETTINGS]


@pytest.mark.torch
def test_the_documents_fields_are_those_of_the_infotext() -> None:
    pytest.importorskip("torch")
    from loradex.webui import reporting

    fields = re.findall(r"^\| `(Lora[\w ]+)` \|", DOCUMENTED, re.M)
    assert fields == [reporting.KEY, reporting.SECOND_PASS_KEY, reporting.REFINER_KEY,
                      reporting.HASHES]


@pytest.mark.torch
def test_each_setting_is_among_the_webuis_with_its_help(tmp_path: Path) -> None:
    for needed in ("torch", "fastapi", "httpx", "gradio"):
        pytest.importorskip(needed)
    from tests.webui.installed import session, webui_with_loradex

    with webui_with_loradex(tmp_path, gradio=True) as webui:
        webui.reload()
        for one in SETTINGS:
            option = webui.opts.data_labels[one.key]
            assert getattr(webui.opts, one.key) == one.default
            assert option.label == one.label
            assert html.escape(one.help, quote=False) in option.comment_after
            assert option.section == ("loradex", "Loradex")
            assert (option.onchange is not None) == one.at_once
        webui.set("loradex_cache_mb", 1)
        assert session(webui).applier.manager.memory().budget_bytes == MEGABYTE


@pytest.mark.torch
def test_settings_that_were_saved_hold_from_the_start(tmp_path: Path) -> None:
    """The WebUI has read its file before any extension has added its settings."""
    for needed in ("torch", "fastapi", "httpx"):
        pytest.importorskip(needed)
    from tests.webui.installed import owner, session, webui_with_loradex

    saved = {"loradex_engine": False, WATCH.key: False}
    with webui_with_loradex(tmp_path, options=saved) as webui:
        assert owner(webui) == "extra_networks_lora"
        assert session(webui).opened_catalog().watch_status().mode == "off"
        webui.set("loradex_engine", True)
        assert owner(webui) == "loradex"
