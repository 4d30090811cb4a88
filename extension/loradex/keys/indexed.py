"""The oldest layout (cloneofsimo/lora): numbered modules in the order of their injection."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from loradex.keys.layouts import Placed

_INDEXED = re.compile(r"^(unet|text_encoder|te):(\d+):(up|down)$")
_DEFAULT_CLASSES = {
    "denoiser": ("Attention", "CrossAttention", "GEGLU"),
    "te": ("CLIPAttention",),
}
LAYOUT = "cloneofsimo_indexed"


def parse_indexed(key: str, metadata: Mapping[str, str]) -> tuple[Placed, str] | None:
    """(place, role) of `unet:12:up`; the name keeps the classes that were injected: `@A,B:12`."""
    found = _INDEXED.match(key) if ":" in key else None
    if found is None:
        return None
    component = "denoiser" if found[1] == "unet" else "te"
    classes = _classes(metadata.get(found[1]), component)
    name = f"@{','.join(classes)}:{int(found[2])}"
    return Placed(component, name, LAYOUT), found[3]


def _classes(text: str | None, component: str) -> tuple[str, ...]:
    """The class list of the metadata, a JSON list of strings, or the writer's default."""
    try:
        listed = json.loads(text) if text else None
    except ValueError:
        listed = None
    if isinstance(listed, list) and all(isinstance(name, str) for name in listed) and listed:
        return tuple(sorted(set(listed)))
    return _DEFAULT_CLASSES[component]


def split_index(name: str) -> tuple[frozenset[str], int] | None:
    """(classes, index) of a name that `parse_indexed` made."""
    if not name.startswith("@"):
        return None
    classes, _, index = name[1:].rpartition(":")
    return frozenset(classes.split(",")), int(index)
