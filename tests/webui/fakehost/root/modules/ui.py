"""The page: settings of extensions first, then the scripts' controls, then tabs."""

from __future__ import annotations

from typing import Any

from modules import script_callbacks, scripts, shared


def create_ui() -> Any:
    """The gr.Blocks, or None where the WebUI runs without a page and without Gradio."""
    script_callbacks.ui_settings_callback()
    for runner, is_img2img in ((scripts.scripts_txt2img, False), (scripts.scripts_img2img, True)):
        runner.initialize_scripts(is_img2img)
    if shared.cmd_opts.nowebui:
        return None
    import gradio

    with gradio.Blocks() as demo:
        scripts.scripts_txt2img.setup_ui()
        scripts.scripts_img2img.setup_ui()
        script_callbacks.ui_tabs_callback()
    return demo
