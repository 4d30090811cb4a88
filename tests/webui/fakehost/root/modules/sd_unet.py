"""A compiled UNet in place of the checkpoint's own, where one is chosen."""

from typing import Any

current_unet_option: Any = None
current_unet: Any = None
