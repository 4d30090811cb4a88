"""The same places under their older name."""

from modules.paths import (
    data_path,
    extensions_builtin_dir,
    extensions_dir,
    models_path,
    script_path,
)

__all__ = ["data_path", "extensions_builtin_dir", "extensions_dir", "models_path", "script_path"]
