"""reForge: AUTOMATIC1111's interface over ComfyUI's model patchers."""

from __future__ import annotations

import sys
from typing import Any

from loradex.webui.hosts.patchers import PatcherHost, patchers_of


class ReForge(PatcherHost):
    """Weights are changed where they lie; a patch on a patcher would reload the whole model."""

    name = "reforge"

    def admits(self) -> bool:
        return "ldm_patched.modules.model_patcher" in sys.modules

    def settle(self, root: Any) -> None:
        """What it backed up goes back, by its own means; the next load places the model anew."""
        for patcher in patchers_of(root):
            if getattr(patcher, "backup", None):
                patcher.unpatch_model(patcher.offload_device)
