"""Where LoRAs are looked for when nobody says otherwise, and where their index is kept."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from loradex.catalog.home import folder_of

from standalone.demo import DEMO_LORAS
from standalone.records import DEMO

USUAL = Path("models/Lora")
"""The WebUI's own folder, below the working directory."""
HOME_VARIABLE = "LORADEX_HOME"


def lora_roots(checkpoint: str = DEMO, given: Sequence[Path] = ()) -> tuple[Path, ...]:
    """The given folders, else the demo's (with the demo) and `models/Lora`."""
    if given:
        return tuple(given)
    roots = (DEMO_LORAS,) if checkpoint == DEMO else ()
    return (*roots, USUAL) if USUAL.is_dir() else roots


def catalog_home(roots: Sequence[Path], given: Path | None = None) -> Path:
    """The folder of the index of these roots, the same whatever their order.

    Below `given`, else what the variable LORADEX_HOME says, else the account's own folder for
    program data.
    """
    base = given or (Path(os.environ[HOME_VARIABLE]) if os.environ.get(HOME_VARIABLE) else None)
    if base is None:
        from platformdirs import user_data_path

        base = user_data_path("loradex", appauthor=False)
    return folder_of(base, roots)
