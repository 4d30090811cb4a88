"""The list of WebUIs that Loradex knows, and which of them is running."""

from __future__ import annotations

from loradex.webui.hosts.a1111 import A1111
from loradex.webui.hosts.forge import Forge
from loradex.webui.hosts.host import Host
from loradex.webui.hosts.reforge import ReForge


def choose_host() -> Host | None:
    """The first that admits; each looks for what it needs, so the most special comes first."""
    hosts: tuple[Host, ...] = (Forge(), ReForge(), A1111())
    return next((one for one in hosts if one.admits()), None)
