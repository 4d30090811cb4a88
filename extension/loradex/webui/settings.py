"""Loradex' own section in the WebUI's settings."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loradex.webui.plugin import Plugin

SECTION = ("loradex", "Loradex")
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Setting:
    """One setting: what it is called, what it does, and whether a change takes effect at once."""

    key: str
    default: bool | int | str
    label: str
    help: str
    at_once: bool = True
    choices: tuple[str, ...] = ()


ENGINE = Setting(
    "loradex_engine", True, "Let Loradex apply LoRAs",
    "off: the WebUI's own LoRA support has the <lora:> and <lyco:> tags, as without Loradex")
STRICT = Setting(
    "loradex_strict", False, "Stop the generation when a LoRA cannot be applied in full",
    "otherwise it is left out, and the picture's infotext says why")
FORCE = Setting(
    "loradex_force", False, "Apply what fits of a LoRA that is made for another base model",
    "the part that fits rarely does what the whole does")
UNDO_BUILTIN = Setting(
    "loradex_undo_builtin", True, "Undo the built-in's patches of torch while Loradex is on",
    "they cost time in every layer and step; they are put back when Loradex is off")
OWN_CARDS = Setting(
    "loradex_own_cards", True, "Draw the cards of the WebUI's own Lora tab",
    "without them the WebUI's page is lighter where there are thousands of files; "
    "reload the page in the browser")
CACHE_MB = Setting(
    "loradex_cache_mb", 2048, "Memory for LoRA files that were used lately (MB)",
    "those of the prompt are always kept, and count; 0 keeps no others")
BASE_MEMORY = Setting(
    "loradex_base_memory", "automatic",
    "Where the checkpoint's own weights stay while LoRAs are on",
    "graphics card: switching LoRAs is fastest, and takes as much of its memory again as the LoRAs "
    "change; main memory: the card holds no weight twice; automatic: as there is room",
    choices=("automatic", "graphics card", "main memory"))
WATCH = Setting(
    "loradex_watch", True, "Watch the LoRA folders",
    "new files show up by themselves; takes effect with Reload UI", at_once=False)

SETTINGS = (ENGINE, STRICT, FORCE, UNDO_BUILTIN, OWN_CARDS, CACHE_MB, BASE_MEMORY, WATCH)


def add_settings(plugin: Plugin) -> None:
    """Adds the section; called when the WebUI builds its settings."""
    from modules import shared

    for one in SETTINGS:
        shared.opts.add_option(one.key, _option(one, plugin))


def _option(one: Setting, plugin: Plugin) -> Any:
    import gradio as gr
    from modules import shared

    shown, how = _shown_as(one)
    made = shared.OptionInfo(
        one.default, one.label, getattr(gr, shown), how,
        onchange=plugin.switched if one.at_once else None, section=SECTION,
    )
    return made.info(html.escape(one.help, quote=False))


def _shown_as(one: Setting) -> tuple[str, dict[str, Any]]:
    """Gradio's component for a setting, with its arguments."""
    if one.choices:
        return "Radio", {"choices": list(one.choices)}
    return ("Checkbox", {}) if isinstance(one.default, bool) else ("Number", {"precision": 0})
