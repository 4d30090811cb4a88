"""Loradex as a script of the WebUI, which is told before each sampling; it shows nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loradex.webui.plugin import Plugin


def script_for(plugin: Plugin) -> type:
    """The class that the WebUI looks for in the script's names and makes one of for each tab."""
    from modules import scripts

    class LoradexScript(scripts.Script):
        create_group = False  # else an empty box is drawn where its controls would be

        def title(self) -> str:
            return "Loradex"

        def show(self, _: bool) -> Any:
            return scripts.AlwaysVisible

        def process_before_every_sampling(self, p: Any, *_: Any, **given: Any) -> None:
            plugin.sampling(p, given.get("c"), given.get("uc"))

    return LoradexScript
