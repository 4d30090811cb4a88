"""The command line, with what the preload.py of each extension adds to it."""

from __future__ import annotations

import argparse
from pathlib import Path

from modules import errors, paths, script_loading

parser = argparse.ArgumentParser()
for flag in ("lowvram", "medvram", "medvram-sdxl", "nowebui", "api", "share", "listen",
             "no-half", "freeze-settings", "disable-all-extensions", "disable-extra-extensions"):
    parser.add_argument(f"--{flag}", action="store_true")
parser.add_argument("--ckpt-dir", default=str(Path(paths.models_path) / "Stable-diffusion"))
parser.add_argument("--embeddings-dir", default=str(Path(paths.data_path) / "embeddings"))
parser.add_argument("--ui-settings-file", default=str(Path(paths.data_path) / "config.json"))
parser.add_argument("--gradio-auth", default=None)
parser.add_argument("--api-auth", default=None)
parser.add_argument("--port", type=int, default=None)


def preload_extensions(folder: str) -> None:
    """Runs before settings are read, so a disabled extension's preload runs too."""
    for one in sorted(Path(folder).glob("*/preload.py")):
        with errors.reported(f"Error running preload() for {one}"):
            module = script_loading.load_module(str(one))
            if hasattr(module, "preload"):
                module.preload(parser)


preload_extensions(paths.extensions_dir)
preload_extensions(paths.extensions_builtin_dir)
cmd_opts = parser.parse_args([])
