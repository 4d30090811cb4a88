"""The side of Loradex that lives inside a WebUI: the only package that knows its modules."""

from __future__ import annotations

from pathlib import Path


def register(extension: Path) -> type | None:
    """Adds Loradex to the WebUI that runs the extension's script; a second call adds nothing.

    What it returns is for the script to keep: the WebUI looks through the script's names for
    classes of its own `Script`.

    `extension` is the folder of the extension. Nothing is read or started here: that happens
    when the WebUI says that it is up.
    """
    from loradex.webui.registration import register_plugin

    return register_plugin(extension)
