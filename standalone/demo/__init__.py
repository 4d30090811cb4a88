"""The bundled toy model: where it and its networks lie."""

from pathlib import Path

DEMO_CHECKPOINT = Path(__file__).parent / "model"
DEMO_LORAS = Path(__file__).parent / "loras"
