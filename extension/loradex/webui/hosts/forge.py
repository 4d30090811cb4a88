"""Forge: models in its own engine, moved to the device just before they compute."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from loradex.webui.hosts.patchers import PatcherHost, patchers_of


class Forge(PatcherHost):
    """Weights are changed where they lie; Forge's own loader is told nothing.

    That one merges into new parameters at every switch and copies all touched weights to the CPU
    and back (backend/patcher/lora.py, `refresh`).
    """

    name = "forge"

    def admits(self) -> bool:
        return find_spec("backend") is not None and find_spec("modules_forge") is not None

    def chosen_checkpoint(self) -> Path | None:
        """Forge loads a checkpoint when the first picture wants it (modules/sd_models.py)."""
        from modules import sd_models

        chosen = getattr(sd_models.model_data, "forge_loading_parameters", None) or {}
        name = getattr(chosen.get("checkpoint_info"), "filename", "")
        return Path(name) if name else None

    def settle(self, root: Any) -> None:
        """Its loader puts the checkpoint's weights back when it is asked to refresh."""
        for patcher in patchers_of(root):
            if hasattr(patcher, "refresh_loras"):
                patcher.refresh_loras()
