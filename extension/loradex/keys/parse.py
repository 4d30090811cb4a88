"""A file's tensor names and shapes to modules: grouped, with a role for every tensor."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

from loradex.keys.foreign import what_it_is
from loradex.keys.indexed import parse_indexed
from loradex.keys.layouts import Placed, place
from loradex.keys.suffixes import WEAK_ROLES, split_key
from loradex.keys.targets import FileModule, Shape

_NOTHING: Mapping[str, str] = MappingProxyType({})
_BUNDLED = re.compile(r"^bundle_emb\.([^.]+)\.")


@dataclass(frozen=True)
class ParsedFile:
    """What the names in a file say.

    `layouts` counts keys per layout, `unknown` lists the keys that no rule understands,
    `embeddings` maps a bundled embedding's name to its keys, and `not_a_lora` is empty or says
    what the file is instead.
    """

    modules: tuple[FileModule, ...]
    layouts: Mapping[str, int]
    unknown: tuple[str, ...] = ()
    embeddings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    not_a_lora: str = ""

    @cached_property
    def layout(self) -> str:
        """The layout of most keys of the denoiser, else of most keys; '' where there is none."""
        counts: Counter[str] = Counter()
        for module in self.modules:
            if module.component in ("denoiser", "motion"):
                counts[module.layout] += len(module.parts)
        ranked = counts or Counter(self.layouts)
        return min(ranked, key=lambda name: (-ranked[name], name)) if ranked else ""


@dataclass
class _Group:
    """The tensors of one module while a file is read."""

    parts: dict[str, str] = field(default_factory=dict)
    layouts: Counter[str] = field(default_factory=Counter)


def parse_file(
    tensors: Mapping[str, Shape], metadata: Mapping[str, str] = _NOTHING
) -> ParsedFile:
    """Group the tensors of a file into modules; never fails, whatever the names are."""
    groups: dict[tuple[str, str], _Group] = {}
    embeddings: dict[str, list[str]] = {}
    unknown: list[str] = []
    for key in sorted(tensors):
        placed, role = _read_key(key, tensors[key], metadata)
        if placed is None:
            bundled = _bundled(key, metadata)
            if bundled:
                embeddings.setdefault(bundled, []).append(key)
            else:
                unknown.append(key)
            continue
        group = groups.setdefault((placed.component, placed.name), _Group())
        if role in group.parts:  # a second adapter in one file, say
            unknown.append(key)
            continue
        group.parts[role] = key
        group.layouts[placed.layout] += 1
    return _finish(tensors, groups, embeddings, unknown)


def _bundled(key: str, metadata: Mapping[str, str]) -> str:
    """The name of the embedding that a key belongs to, or ''.

    cloneofsimo's files keep one under its token (`<cat>`) and say so in the metadata.
    """
    found = _BUNDLED.match(key)
    if found:
        return found[1]
    return key if metadata.get(key) == "<embed>" else ""


def _read_key(
    key: str, shape: Shape, metadata: Mapping[str, str]
) -> tuple[Placed | None, str]:
    indexed = parse_indexed(key, metadata)
    if indexed is not None:
        return indexed
    cut = None if key.startswith("bundle_emb.") else split_key(key)
    if cut is None:
        return None, ""
    stem, role = cut
    if role == "scale" and _is_vector(shape):
        role = "set_weight"  # BFL control files replace RMS norms under the name of a LoRA scale
    return place(stem, key), role


def _is_vector(shape: Shape) -> bool:
    return len(shape) == 1 and shape[0] > 1


def _finish(
    tensors: Mapping[str, Shape],
    groups: dict[tuple[str, str], _Group],
    embeddings: dict[str, list[str]],
    unknown: list[str],
) -> ParsedFile:
    modules: list[FileModule] = []
    counts: Counter[str] = Counter()
    network = any(_is_adapter(group.parts) for group in groups.values())
    for (component, name), group in groups.items():
        parts = _strong_parts(group.parts, network, unknown)
        if not parts:
            continue
        layout = min(group.layouts, key=lambda one: (-group.layouts[one], one))
        counts.update(group.layouts)
        modules.append(FileModule(component, name, layout, parts))
    return ParsedFile(
        modules=tuple(modules),
        layouts=dict(counts),
        unknown=tuple(sorted(unknown)),
        embeddings={name: tuple(keys) for name, keys in embeddings.items()},
        not_a_lora=what_it_is(tensors, network=network),
    )


def _is_adapter(parts: Mapping[str, str]) -> bool:
    """Whether a module's tensors are a network's; RMS norms of a checkpoint end in `.scale` too."""
    return any(
        role not in WEAK_ROLES and not (role == "set_weight" and key.endswith(".scale"))
        for role, key in parts.items()
    )


def _strong_parts(
    parts: dict[str, str], network: bool, unknown: list[str]
) -> dict[str, str]:
    """The parts that are a network's: `.weight` belongs to one only beside `.on_input`.

    `.bias` alone is one (PEFT trains biases) if the file has adapters and no weight beside it.
    """
    has_weight = "ia3_weight" in parts
    if has_weight and "on_input" not in parts:
        unknown.append(parts.pop("ia3_weight"))
        if "bias" in parts and parts.keys() <= WEAK_ROLES:
            unknown.append(parts.pop("bias"))
    if not network:
        unknown.extend(parts.values())
        return {}
    return parts
