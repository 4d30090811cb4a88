"""The LoRA folder of the running WebUI: puts files into it and tells the WebUI of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tests.real_webui.host import RunningWebUI
from tests.real_webui.networks import network_tensors, write_network

if TYPE_CHECKING:
    from torch import Tensor


class Shelf:
    """Network files by name; each is made once and stays for the whole run."""

    def __init__(self, host: RunningWebUI, checkpoints: Path) -> None:
        self.host, self.checkpoints = host, checkpoints
        self.folder = host.data.loras

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"

    def usual(self, checkpoint: str, kind: str = "lora", seed: int = 0, **options: object) -> str:
        """The name of a random network of one kind for a checkpoint."""
        told = "".join(f"-{value}" for value in options.values())
        name = f"{checkpoint.partition('.')[0]}-{kind}{told}-{seed}"
        if not self.path(name).exists():
            self.put(name, self.tensors(checkpoint, kind, seed=seed, **options))
        return name

    def tensors(self, checkpoint: str, kind: str = "lora", **options: object) -> dict[str, Tensor]:
        return network_tensors(self.checkpoints / checkpoint, kind, **options)  # type: ignore[arg-type]

    def put(self, name: str, tensors: Mapping[str, Tensor],
            metadata: Mapping[str, str] | None = None) -> Path:
        path = write_network(self.path(name), tensors, metadata)
        self.told()
        return path

    def put_bytes(self, name: str, content: bytes) -> Path:
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.told()
        return path

    def told(self) -> None:
        """What the button "Refresh" does, so that both sides know the file."""
        self.host.post("/sdapi/v1/refresh-loras")

    def replace(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Other contents under the same name, as a finished download or a trainer puts them."""
        fresh = write_network(self.folder / "replacing.tmp", tensors)
        before = self.path(name).stat().st_mtime
        while fresh.stat().st_mtime <= before:
            time.sleep(0.05)
            fresh.touch()
        fresh.replace(self.path(name))
