"""The side of Loradex that lives inside a WebUI: the only package that knows its modules."""

from __future__ import annotations

from pathlib import Path


def register(extension: Path) -> None:
    """Adds Loradex to the WebUI that runs the extension's script; a second call adds nothing.

    `extension` is the folder of the extension. Nothing is read or started here: that happens
    when the WebUI says that it is up.
    """
    from loradex.webui.registration import register_plugin

    register_plugin(extension)
