from typing import Any

current_unet: Any
