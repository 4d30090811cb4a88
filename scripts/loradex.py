"""What the WebUI runs at its start: finds the package beside this folder and registers it."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = str(ROOT / "extension")
if PACKAGE not in sys.path:
    # It stays there: modules that are first needed later are imported from callbacks.
    sys.path.append(PACKAGE)

import loradex.webui  # noqa: E402

LoradexScript = loradex.webui.register(ROOT)
