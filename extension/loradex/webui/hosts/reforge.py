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
        """Loading the patchers as they were makes the host take its own patches off."""
        from ldm_patched.modules import model_management

        model_management.load_models_gpu(list(patchers_of(root)))
