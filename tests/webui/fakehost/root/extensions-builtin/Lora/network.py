"""A LoRA file on the disk and one that is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modules import errors, hashes, sd_models, shared


class NetworkOnDisk:
    """One file."""

    def __init__(self, name: str, filename: str) -> None:
        self.name, self.filename = name, filename
        self.metadata: dict[str, Any] = {}
        if Path(filename).suffix.lower() == ".safetensors":
            with errors.displayed(f"reading lora {filename}"):
                self.metadata = sd_models.read_metadata_from_safetensors(filename)
        self.alias = self.metadata.get("ss_output_name", name)
        self.hash = self.shorthash = ""
        self.set_hash(self.metadata.get("sshs_model_hash") or "")

    def set_hash(self, value: str) -> None:
        import networks

        self.hash, self.shorthash = value, value[:12]
        if self.shorthash:
            networks.available_network_hash_lookup[self.shorthash] = self

    def read_hash(self) -> None:
        if not self.hash:
            self.set_hash(hashes.sha256(self.filename, "lora/" + self.name, True) or "")

    def get_alias(self) -> str:
        import networks

        forbidden = str(self.alias).lower() in networks.forbidden_network_aliases
        by_name = shared.opts.lora_preferred_name == "Filename"
        return self.name if by_name or forbidden else str(self.alias)


class Network:
    """A loaded one: layer name -> [(rows, factors)]."""

    def __init__(self, name: str, network_on_disk: NetworkOnDisk) -> None:
        self.name, self.network_on_disk = name, network_on_disk
        self.te_multiplier = self.unet_multiplier = 1.0
        self.dyn_dim: int | None = None
        self.modules: dict[str, Any] = {}
        self.bundle_embeddings: dict[str, Any] = {}
        self.mtime = Path(network_on_disk.filename).stat().st_mtime
        self.mentioned_name: str | None = None
