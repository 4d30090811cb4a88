from typing import Any

model_hijack: Any
