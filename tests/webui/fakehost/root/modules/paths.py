"""Where things lie; `configure` gives each start its own folders."""

from __future__ import annotations

import os
from pathlib import Path

extensions_builtin_dir = str(Path(__file__).resolve().parent.parent / "extensions-builtin")
script_path = data_path = models_path = extensions_dir = ""


def configure(base: Path) -> None:
    """Called once, before any other module of the WebUI is imported."""
    root = str(base)
    globals().update(
        script_path=root, data_path=root, models_path=os.path.join(root, "models"),  # noqa: PTH118
        extensions_dir=os.path.join(root, "extensions"),  # noqa: PTH118
    )
