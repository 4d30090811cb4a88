"""`python -m standalone`: from a checkout as well as from an installation."""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("loradex") is None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "extension"))

from standalone.cli import main

if __name__ == "__main__":
    sys.exit(main())
