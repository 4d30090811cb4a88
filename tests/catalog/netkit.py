"""Network files with real headers and holes for data."""

from __future__ import annotations

import json

from loradex.compat.families import family


def lora_tensors(family_id="sd1", rank=4, count=None, prefix="lora_unet_"):
    """(name, shape) of a kohya network on a family's attention layers."""
    modules = family(family_id).architectures()["denoiser"].modules("diffusers")
    chosen = [name for name in modules if ".attn" in name and len(modules[name].weight) == 2]
    for name in chosen[:count]:
        out, inp = modules[name].weight
        stem = prefix + name.replace(".", "_")
        yield f"{stem}.alpha", ()
        yield f"{stem}.lora_down.weight", (rank, inp)
        yield f"{stem}.lora_up.weight", (out, rank)


def raw_header(tensors, metadata=None, first=True):
    """The header's bytes and the length of the data."""
    entries, offset = {}, 0
    for name, shape in tensors:
        size = 2
        for extent in shape:
            size *= extent
        entries[name] = {
            "dtype": "F16", "shape": list(shape), "data_offsets": [offset, offset + size],
        }
        offset += size
    if metadata is not None:
        own = {"__metadata__": metadata}
        entries = {**own, **entries} if first else {**entries, **own}
    raw = json.dumps(entries, separators=(",", ":")).encode()
    return raw + b" " * (-len(raw) % 8), offset


def write_lora(path, tensors=None, metadata=None, first=True, fill=b""):
    """A safetensors file; `fill` are the first bytes of its data, the rest is a hole."""
    raw, data = raw_header(lora_tensors() if tensors is None else tensors, metadata, first)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(len(raw).to_bytes(8, "little") + raw + fill[:data])
        file.truncate(8 + len(raw) + data)
    return path
