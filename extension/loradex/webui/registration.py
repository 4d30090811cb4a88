"""Puts Loradex's callbacks into the WebUI's lists, once however often the script runs.

"Reload UI" empties these lists and runs the script again, while this module stays imported; so
whether Loradex is registered is read off the lists themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loradex.webui.plugin import Plugin


def register_plugin(extension: Path) -> type | None:
    """Makes a plugin for this run of the UI and its script; `None` where there is one already."""
    from loradex.webui.plugin import Plugin
    from loradex.webui.script import script_for

    if _is_registered():
        print(f"Loradex: installed twice; the copy in {extension} is not used.")  # noqa: T201
        return None
    plugin = Plugin(extension)
    _add_callbacks(plugin)
    plugin.prepare()
    return script_for(plugin)


def _is_registered() -> bool:
    from modules import script_callbacks

    lists: Mapping[str, list[Any]] = getattr(script_callbacks, "callback_map", {})
    return any(
        getattr(entry.callback, "__module__", "").startswith("loradex.webui.")
        for entries in lists.values() for entry in entries
    )


def _add_callbacks(plugin: Plugin) -> None:
    from modules import script_callbacks

    # Functions of our own modules, so that `_is_registered` knows them again.
    callbacks: tuple[tuple[Callable[..., Any], Callable[..., Any]], ...] = (
        (script_callbacks.on_ui_settings, lambda: _settings(plugin)),
        (script_callbacks.on_ui_tabs, _tab),
        (script_callbacks.on_app_started, plugin.start),
        (script_callbacks.on_model_loaded, plugin.model_loaded),
        (script_callbacks.on_infotext_pasted, lambda _, params: _paste(plugin, params)),
        (script_callbacks.on_cfg_denoiser, plugin.stepping),
        (script_callbacks.on_script_unloaded, plugin.stop),
    )
    for add, callback in callbacks:
        add(callback)


def _settings(plugin: Plugin) -> None:
    from loradex.webui.settings import add_settings

    add_settings(plugin)


def _tab() -> list[tuple[Any, str, str]]:
    from loradex.webui.tab import make_tab

    return make_tab()


def _paste(plugin: Plugin, params: dict[str, str]) -> None:
    from loradex.webui.paste import replace_names

    if plugin.session is not None:
        replace_names(plugin.session.catalog.opened, params)
