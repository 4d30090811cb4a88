"""With Gradio, the fake WebUI makes the page: scripts' controls, settings and tabs."""

from __future__ import annotations

from pathlib import Path

import pytest

for needed in ("torch", "fastapi", "httpx", "gradio"):
    pytest.importorskip(needed)

from tests.webui.fakehost import FakeWebUI  # noqa: E402

pytestmark = pytest.mark.torch

EXTENSION = """
import gradio as gr
from modules import script_callbacks, scripts, shared

class Mine(scripts.Script):
    def title(self):
        return "My Script"
    def show(self, is_img2img):
        return scripts.AlwaysVisible
    def ui(self, is_img2img):
        return [gr.Checkbox(value=False), gr.Textbox(value="text")]
    def process(self, p, on, text):
        p.extra_generation_params["Probe"] = f"{on} {text}"
        p.comment("seen by the page alone")

def settings():
    shared.opts.add_option("mine", shared.OptionInfo(True, "Mine", section=("a", "A")))

script_callbacks.on_ui_settings(settings)
"""


def test_controls_and_settings_reach_the_script(tmp_path: Path) -> None:
    with FakeWebUI(tmp_path, [("e", {"scripts/e.py": EXTENSION})], gradio=True) as webui:
        assert webui.module("shared").demo is not None
        made = webui.txt2img("cat")
        assert "Probe: False text" in made.infotext
        assert made.comments == "seen by the page alone\n"
        named = {"my script": {"args": [True, "other"]}}
        assert "Probe: True other" in webui.txt2img("cat", alwayson_scripts=named).infotext
        assert webui.api().post("/sdapi/v1/options", json={"mine": False}).status_code == 200
        assert webui.opts.mine is False
