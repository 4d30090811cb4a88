"""A picture from the WebUI's API, with what it says of itself, and how near two pictures are."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NEAR_LEVELS = 1
"""Of 255: what another order of the same additions may change in a pixel."""


@dataclass(frozen=True)
class Picture:
    """`pixels`: height x width x 3 bytes."""

    pixels: bytes
    size: tuple[int, int]
    infotext: str
    info: Mapping[str, Any]

    @classmethod
    def decode(cls, data: str, info: Mapping[str, Any], index: int = 0) -> Picture:
        from PIL import Image

        with Image.open(io.BytesIO(base64.b64decode(data.rpartition(",")[2]))) as image:
            colours = image.convert("RGB")
        return cls(colours.tobytes(), colours.size, info["infotexts"][index], info)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What extensions wrote into the picture: `Loradex`, `Lora hashes`."""
        found: Mapping[str, Any] = self.info["extra_generation_params"]
        return found

    @property
    def report(self) -> str:
        return str(self.parameters.get("Loradex", ""))

    def same(self, other: Picture) -> bool:
        return self.pixels == other.pixels

    def levels(self, other: Picture) -> int:
        """The largest difference in any pixel and channel, of 255."""
        assert self.size == other.size
        return max(abs(a - b) for a, b in zip(self.pixels, other.pixels, strict=True))

    def near(self, other: Picture) -> bool:
        return self.levels(other) <= NEAR_LEVELS
