"""Measurements behind every claim of speed and memory; each is one command."""

from __future__ import annotations

import sys
from pathlib import Path

_LIBRARY = str(Path(__file__).resolve().parents[1] / "extension")
if _LIBRARY not in sys.path:  # also where the project is not installed
    sys.path.append(_LIBRARY)
