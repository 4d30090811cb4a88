"""Lists of functions that extensions hand in; each failure is told and the next one called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modules import errors, extensions

_CATEGORIES = (
    "app_started", "model_loaded", "ui_tabs", "ui_settings", "before_image_saved", "image_saved",
    "cfg_denoiser", "cfg_denoised", "cfg_after_cfg", "before_component", "after_component",
    "infotext_pasted", "script_unloaded", "before_ui", "on_reload", "list_unets",
)
callback_map: dict[str, list[ScriptCallback]] = {f"callbacks_{one}": [] for one in _CATEGORIES}


@dataclass
class CFGDenoiserParams:
    """What a step of the sampler shows to extensions."""

    x: Any
    image_cond: Any
    sigma: Any
    sampling_step: int
    total_sampling_steps: int
    text_cond: Any
    text_uncond: Any
    denoiser: Any = None


@dataclass
class ScriptCallback:
    """One function, with the file that handed it in."""

    script: str
    callback: Any
    name: str = "unnamed"


def _caller() -> str:
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    assert frame is not None
    return frame.f_code.co_filename


def add_callback(
    callbacks: list[ScriptCallback], fun: Any, *, name: str | None = None,
    category: str = "unknown", filename: str | None = None,
) -> None:
    filename = filename or _caller()
    extension = extensions.find_extension(filename)
    owner = extension.canonical_name if extension else "base"
    full = "/".join(filter(None, (owner, Path(filename).name, category, name)))
    taken = {one.name for one in callbacks}
    unique = next(
        one for one in (full, *(f"{full}-{i}" for i in range(1, 1000))) if one not in taken)
    callbacks.append(ScriptCallback(filename, fun, unique))


def sort_callbacks(callbacks: Sequence[ScriptCallback]) -> list[ScriptCallback]:
    """In the order of handing in, but for what a metadata.ini asks."""
    known = {one.name: one for one in callbacks}
    after: dict[str, list[str]] = {one: [] for one in known}
    for extension in extensions.extensions:
        for name, before, behind in extension.metadata.list_callback_order_instructions():
            if name in known:
                after[name] += [one for one in behind if one in known]
                for other in before:
                    after.get(other, []).append(name)
    return [known[name] for name in _topological(after)]


def _topological(after: dict[str, list[str]]) -> list[str]:
    done: dict[str, None] = {}

    def visit(name: str) -> None:
        for other in after[name]:
            if other not in done:
                visit(other)
        done[name] = None

    for name in after:
        if name not in done:
            visit(name)
    return list(done)


def _call(category: str, *args: Any, backwards: bool = False) -> list[Any]:
    ordered = sort_callbacks(callback_map[f"callbacks_{category}"])
    results = []
    for one in reversed(ordered) if backwards else ordered:
        with errors.reported(f"Error executing callback {category} for {one.script}"):
            results.append(one.callback(*args))
    return results


def app_started_callback(demo: Any, app: Any) -> None:
    _call("app_started", demo, app)


def app_reload_callback() -> None:
    _call("on_reload")


def model_loaded_callback(sd_model: Any) -> None:
    _call("model_loaded", sd_model)


def ui_tabs_callback() -> list[Any]:
    return [tab for tabs in _call("ui_tabs") for tab in tabs or []]


def ui_settings_callback() -> None:
    _call("ui_settings")


def cfg_denoiser_callback(params: CFGDenoiserParams) -> None:
    _call("cfg_denoiser", params)


def infotext_pasted_callback(infotext: str, params: dict[str, Any]) -> None:
    _call("infotext_pasted", infotext, params)


def script_unloaded_callback() -> None:
    _call("script_unloaded", backwards=True)


def before_ui_callback() -> None:
    _call("before_ui", backwards=True)


def clear_callbacks() -> None:
    for callbacks in callback_map.values():
        callbacks.clear()


def remove_current_script_callbacks() -> None:
    filename = _caller()
    for callbacks in callback_map.values():
        callbacks[:] = [one for one in callbacks if one.script != filename]


def remove_callbacks_for_function(callback_func: Any) -> None:
    for callbacks in callback_map.values():
        callbacks[:] = [one for one in callbacks if one.callback != callback_func]


def _registrar(category: str) -> Callable[..., None]:
    def on(callback: Any, *, name: str | None = None) -> None:
        add_callback(callback_map[f"callbacks_{category}"], callback, name=name, category=category)

    return on


on_app_started = _registrar("app_started")
on_before_reload = _registrar("on_reload")
on_model_loaded = _registrar("model_loaded")
on_ui_tabs = _registrar("ui_tabs")
on_ui_settings = _registrar("ui_settings")
on_before_image_saved = _registrar("before_image_saved")
on_image_saved = _registrar("image_saved")
on_cfg_denoiser = _registrar("cfg_denoiser")
on_cfg_denoised = _registrar("cfg_denoised")
on_cfg_after_cfg = _registrar("cfg_after_cfg")
on_before_component = _registrar("before_component")
on_after_component = _registrar("after_component")
on_infotext_pasted = _registrar("infotext_pasted")
on_script_unloaded = _registrar("script_unloaded")
on_before_ui = _registrar("before_ui")
on_list_unets = _registrar("list_unets")
