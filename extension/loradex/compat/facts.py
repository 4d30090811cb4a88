"""What the two sides of a check have in common: a file's modules with their deltas' shapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from loradex.keys.parse import ParsedFile
from loradex.keys.resolve import NameTable, shapes_fit, whole_shape
from loradex.keys.signatures import Description, describe
from loradex.keys.targets import FileModule, Shape


@dataclass(frozen=True)
class Fact:
    """One module of a file and what its tensors are."""

    module: FileModule
    description: Description

    @property
    def extent(self) -> Shape | None:
        """The delta's shape with -1 for unknown dimensions; None where it tells nothing."""
        return None if self.description.problem else self.description.extent


def facts_of(parsed: ParsedFile, tensors: Mapping[str, Shape]) -> tuple[Fact, ...]:
    """The modules of a file, described from its shapes.

    A file has hundreds of modules and a few dozen different sets of shapes: each is read once.
    """
    read: dict[tuple[tuple[str, Shape], ...], Description] = {}
    facts: list[Fact] = []
    for module in parsed.modules:
        parts = tuple([(role, tensors[key]) for role, key in module.parts.items()])
        description = read.get(parts)
        if description is None:
            description = read[parts] = describe(dict(parts))
        facts.append(Fact(module, description))
    return tuple(facts)


@lru_cache(maxsize=256)
def _shapes_of(table: NameTable) -> Mapping[str, Shape]:
    """Flattened name -> weight's shape of a whole table (2 ms for SDXL, then one look-up each)."""
    return {
        name.replace(".", "_"): whole_shape(pieces) or ()
        for name, pieces in table.architecture.names()
    }


def weight_shape(table: NameTable, name: str) -> Shape | None:
    """The shape of the weight under a file's name for it, or None."""
    return table.shape(name) if name.startswith("@") else _shapes_of(table).get(name)


# Its channels differ between the variants of a family (inpainting 9, depth 5, instruct-pix2pix 8;
# Flux control 128, fill 384; Wan from images 36).
INPUT_LAYERS = frozenset({
    "conv_in", "input_blocks_0_0", "x_embedder", "img_in", "x_embedder_proj", "img_in_proj",
    "pos_embed_proj", "patch_embedding",
})
"""Flattened names of the layer that takes a model's input, in either tree."""


def fits(fact: Fact, table: NameTable) -> bool:
    """Whether a table admits a module by its name and shape."""
    weight = weight_shape(table, fact.module.name)
    if weight is None:
        return False
    extent = fact.extent
    if extent is None or extent == weight:
        return True
    return shapes_fit(extent, weight) or is_input_variant(fact, weight)


def is_input_variant(fact: Fact, weight: Shape) -> bool:
    """Whether only the number of input channels of the first layer differs."""
    extent = fact.extent
    if extent is None or fact.module.name not in INPUT_LAYERS:
        return False
    return len(extent) == len(weight) and extent[0] == weight[0] and extent[2:] == weight[2:]


_DENOISERS = ("denoiser", "denoiser2", "")


def of_component(facts: Iterable[Fact], component: str) -> tuple[Fact, ...]:
    """The facts of one component.

    `te` takes all text encoders; `denoiser` both experts of Wan 2.2 and what has no name.
    """
    if component == "te":
        return tuple(fact for fact in facts if fact.module.component.startswith("te"))
    wanted = _DENOISERS if component == "denoiser" else (component,)
    return tuple(fact for fact in facts if fact.module.component in wanted)
