from typing import Any

class StableDiffusionProcessing:
    cached_c: list[Any]
    cached_uc: list[Any]
