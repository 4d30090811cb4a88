"""The LoRA tab: one element, which javascript/loradex.js fills with the page."""

from __future__ import annotations

import re
from typing import Any

from loradex.webui.environment import option

# What stands inside is seen until the page has come, and for ever where it cannot.
ELEMENT = (
    "<loradex-manager{lang}>The LoRA manager comes as soon as the WebUI answers. "
    "If it stays away, the console says why.</loradex-manager>"
)


def language(localization: str) -> str:
    """The language that a localization of the WebUI is for (`zh-Hans (Stable)`), or nothing."""
    found = re.match(r"[a-z]{2,3}(?:[_-][A-Za-z0-9]{2,8})*(?![A-Za-z])", localization)
    return found[0].replace("_", "-") if found else ""


def element(localization: str) -> str:
    """The markup of the page; without a language of its own it follows the browser's."""
    code = language(localization)
    return ELEMENT.format(lang=f' lang="{code}"' if code else "")


def make_tab() -> list[tuple[Any, str, str]]:
    """The tab as the WebUI wants it: its components, its title, the id of its element."""
    import gradio as gr

    with gr.Blocks(analytics_enabled=False) as blocks:
        gr.HTML(element(option("localization", "None")), elem_id="loradex_page")
    return [(blocks, "LoRA manager", "loradex")]
