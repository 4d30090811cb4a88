"""The LoRA tab: one element, which javascript/loradex.js fills with the page."""

from __future__ import annotations

from typing import Any

# What stands inside is seen until the page has come, and for ever where it cannot.
ELEMENT = (
    "<loradex-manager>The LoRA manager comes as soon as the WebUI answers. "
    "If it stays away, the console says why.</loradex-manager>"
)


def make_tab() -> list[tuple[Any, str, str]]:
    """The tab as the WebUI wants it: its components, its title, the id of its element."""
    import gradio as gr

    with gr.Blocks(analytics_enabled=False) as blocks:
        gr.HTML(ELEMENT, elem_id="loradex_page")
    return [(blocks, "LoRA manager", "loradex")]
