"""The routes under /sdapi/v1/ that matter to extensions."""

from __future__ import annotations

import base64
import json
from typing import Any

from modules import infotext_utils, script_callbacks, scripts, shared
from modules.call_queue import queue_lock
from modules.processing import Processed, StableDiffusionProcessingTxt2Img, process_images


def txt2img(alwayson_scripts: dict[str, Any] | None = None, **fields: Any) -> Processed:
    """One job under the lock, as the API and the page run it."""
    with queue_lock:
        p = StableDiffusionProcessingTxt2Img(**fields)
        runner = scripts.scripts_txt2img
        p.is_api, p.scripts_value = True, runner
        p.script_args = _script_args(runner, alwayson_scripts or {})
        runner.setup_scrips(p, is_ui=False)
        shared.state.begin(job="scripts_txt2img")
        try:
            return process_images(p)
        finally:
            shared.state.end()
            p.close()


def _script_args(runner: Any, given: dict[str, Any]) -> tuple[Any, ...]:
    values = [getattr(one, "value", None) for one in runner.inputs]
    for script in runner.alwayson_scripts:
        args = given.get(script.title().lower(), {}).get("args", [])
        values[script.args_from:script.args_from + len(args)] = args
    return tuple(values)


def add_routes(app: Any) -> None:
    from fastapi import Body
    from fastapi.responses import JSONResponse

    def make(request: dict[str, Any] = Body(...)) -> Any:  # noqa: B008 - FastAPI's way
        try:
            made = txt2img(**request)
        except Exception as error:  # noqa: BLE001 - the WebUI's middleware answers all of them
            return JSONResponse({"error": type(error).__name__, "errors": str(error)}, 500)
        pictures = [base64.b64encode(one).decode() for one in made.images]
        return {"images": pictures, "parameters": request, "info": json.dumps(made.js())}

    def options() -> Any:
        return dict(shared.opts.data)

    def set_options(request: dict[str, Any] = Body(...)) -> None:  # noqa: B008
        for key, value in request.items():
            shared.opts.set(key, value, is_api=True)
        shared.opts.save(shared.config_filename)

    def png_info(request: dict[str, Any] = Body(...)) -> Any:  # noqa: B008
        params = infotext_utils.parse_generation_parameters(request["info"])
        script_callbacks.infotext_pasted_callback(request["info"], params)
        return {"info": request["info"], "parameters": params}

    app.post("/sdapi/v1/txt2img")(make)
    app.get("/sdapi/v1/options")(options)
    app.post("/sdapi/v1/options")(set_options)
    app.post("/sdapi/v1/png-info")(png_info)
