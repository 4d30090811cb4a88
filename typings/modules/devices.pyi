from typing import Any

device: Any
