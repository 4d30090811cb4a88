"""The LoRAs tab: the same page that the WebUIs show, and its routes on the app's server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr
from loradex.server.api import make_router
from loradex.server.guard import Guard
from loradex.server.routing import attach

from standalone.ui.service import StandaloneService

if TYPE_CHECKING:
    from fastapi import FastAPI

ELEMENT = "<loradex-manager></loradex-manager>"
BRING_IN = Path(__file__).resolve().parents[2] / "javascript" / "loradex.js"


def build_library_tab() -> None:
    """Inside the current `gr.Tab`. The template is fixed: Gradio would make the element anew
    with each value."""
    gr.HTML(html_template=ELEMENT, elem_id="library", padding=False)


def head() -> str:
    """What the app's page needs in its head: Gradio runs no script that stands in its HTML."""
    return f"<script>{BRING_IN.read_text(encoding='utf-8')}</script>"


def add_library_routes(
    app: FastAPI, service: StandaloneService, hosts: Sequence[str] = ()
) -> None:
    """Put the page's files and API on a running app; `hosts` are further names of it."""
    attach(app, make_router(service, Guard(tuple(hosts))))
