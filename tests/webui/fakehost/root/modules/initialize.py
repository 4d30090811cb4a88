"""Start and Reload UI: what runs in which order."""

from __future__ import annotations

from threading import Thread
from typing import Any

from modules import (
    errors,
    extensions,
    extra_networks,
    script_callbacks,
    scripts,
    sd_models,
    shared,
    ui,
    ui_extra_networks,
)


def initialize_rest(load_model: bool = True) -> None:
    """At start and at each reload; what scripts registered while they ran is cleared at the end."""
    extensions.list_extensions()
    sd_models.list_models()
    scripts.load_scripts()
    thread = Thread(target=sd_models.model_data.get_sd_model, name="Thread-2 (load_model)")
    if load_model:
        thread.start()
        thread.join()  # the real one goes on beside the page's making
    extra_networks.initialize()
    ui_extra_networks.extra_pages.clear()


def start_ui() -> Any:
    """The FastAPI app with all routes, or None without FastAPI."""
    script_callbacks.before_ui_callback()
    shared.demo = ui.create_ui()
    app = _app()
    script_callbacks.app_started_callback(shared.demo, app)
    return app


def _app() -> Any:
    from fastapi import FastAPI

    from modules import api, login

    app = FastAPI()
    if shared.cmd_opts.gradio_auth:
        login.ask(app, shared.cmd_opts.gradio_auth)
    with errors.reported("adding the API"):
        api.add_routes(app)
    return app


def reload_ui() -> Any:
    script_callbacks.app_reload_callback()
    script_callbacks.script_unloaded_callback()
    initialize_rest()
    return start_ui()
