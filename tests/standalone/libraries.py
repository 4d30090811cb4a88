"""Small libraries of LoRA files as people have them: good, broken, misplaced, described."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from loradex.compat.families import family

from standalone.demo import DEMO_LORAS

Shapes = Mapping[str, tuple[int, ...]]
PIXEL = b"\x89PNG\r\n\x1a\n"


def write(path: Path, shapes: Shapes, metadata: Mapping[str, str] | None = None) -> Path:
    """A safetensors file of fp16 zeros, its data a hole in the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    offset = 0
    for name, shape in shapes.items():
        size = 2
        for extent in shape:
            size *= extent
        header[name] = {"dtype": "F16", "shape": list(shape),
                        "data_offsets": [offset, offset + size]}
        offset += size
    raw = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(raw).to_bytes(8, "little") + raw)
        file.truncate(8 + len(raw) + offset)
    return path


def network(family_id: str, rank: int = 4) -> dict[str, tuple[int, ...]]:
    """kohya's LoRA on the attention of a family's UNet."""
    found = {}
    for name, module in family(family_id).architectures()["denoiser"].modules("diffusers").items():
        if ".attn" in name and len(module.weight) == 2:
            key = f"lora_unet_{name.replace('.', '_')}"
            found[f"{key}.lora_down.weight"] = (rank, module.weight[1])
            found[f"{key}.lora_up.weight"] = (module.weight[0], rank)
            found[f"{key}.alpha"] = ()
    return found


def checkpoint(family_id: str) -> dict[str, tuple[int, ...]]:
    """The UNet of a single-file checkpoint in its native names."""
    modules = family(family_id).architectures()["denoiser"].modules("native")
    return {f"model.diffusion_model.{name}.weight": one.weight for name, one in modules.items()}


def demo(name: str, target: Path) -> Path:
    """One of the demo's own networks under another name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(DEMO_LORAS / f"{name}.safetensors", target)
    return target


def write_library(root: Path) -> Path:
    """Ten files; see the tests for what each must be told as."""
    demo("golden", root / "gold.safetensors")
    demo("golden", root / "copies" / "gold copy.safetensors")
    (root / "gold.json").write_text('{"activation text": "golden", "preferred weight": 0.8}')
    (root / "gold.preview.png").write_bytes(PIXEL)
    demo("night", root / "Ünï ✨" / "夜 [v2] (final).safetensors")
    write(root / "sd1" / "ink.safetensors", network("sd1"), {"ss_tag_frequency": "{}"})
    write(root / "xl" / "ink.safetensors", network("sdxl", 8))
    write(root / "wrong" / "model.safetensors", checkpoint("sd1"))
    (root / "empty.safetensors").write_bytes(b"")
    (root / "page.safetensors").write_bytes(b"<!DOCTYPE html><html><title>403</title></html>")
    (root / "cut.safetensors").write_bytes((root / "gold.safetensors").read_bytes()[:-100])
    (root / "old.pt").write_bytes(b"\x80\x02cos\nsystem\n(S'true'\ntR.")
    (root / "loading.safetensors.part").write_bytes(b"\x10")
    return root


class Told(NamedTuple):
    """What a command printed."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def row(self) -> dict[str, Any]:
        (row,) = self.rows
        return row

    @property
    def ids(self) -> list[str]:
        return [row["id"] for row in self.rows]


Run = Callable[..., Told]
