"""What Loradex asks of the WebUI around it: folders, options and the login that it was given."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from loradex.catalog.home import folder_of
from loradex.catalog.preset_files import beside

_BLOCK_WEIGHT = "lora_block_weight.py"
HOME_VARIABLE = "LORADEX_HOME"


def lora_roots() -> tuple[Path, ...]:
    """The folders in which the WebUI looks for networks, as far as they exist.

    LyCORIS files have a folder of their own in installations that had the LyCORIS extension.
    """
    from modules import paths, shared

    usual = str(Path(paths.models_path) / "Lora")
    named = [getattr(shared.cmd_opts, "lora_dir", None) or usual,
             getattr(shared.cmd_opts, "lyco_dir_backcompat", None)]
    named += getattr(shared.cmd_opts, "lora_dirs", None) or []
    found = dict.fromkeys(Path(one).absolute() for one in named if one)
    return tuple(one for one in found if one.is_dir()) or (Path(usual),)


def preset_places(roots: tuple[Path, ...]) -> list[Path]:
    """Where block weights have names: in sd-webui-lora-block-weight's folder and in those of LoRAs.

    That extension keeps them beside its script, whatever its own folder is called.
    """
    from modules import paths

    found = Path(paths.extensions_dir)
    scripts = [one.parent for one in sorted(found.glob(f"*/scripts/{_BLOCK_WEIGHT}"))]
    return [*beside(scripts), *beside(roots)]


def data_home(roots: tuple[Path, ...]) -> Path:
    """Where the index of these folders is kept: beside the user's settings, not in the extension.

    A user who removes the extension keeps stars, tags and notes.
    """
    from modules import paths

    given = os.environ.get(HOME_VARIABLE)
    base = Path(given) if given else Path(paths.data_path) / "loradex"
    return folder_of(base, roots)


def option(name: str, default: Any) -> Any:
    """A setting's value; the default where the WebUI does not have the setting (yet)."""
    from modules import shared

    value = getattr(shared.opts, name, default) if name in shared.opts.data_labels else default
    return default if value is None else value


def switch(name: str, default: bool) -> bool:
    """A setting that is on or off."""
    return bool(option(name, default))
