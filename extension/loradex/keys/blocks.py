"""The blocks of a model and the lists of weights for them, by its table alone.

UNets and Flux.1 have the names and lists of sd-webui-lora-block-weight: the text encoders are
`BASE`, the native tree's input, middle and output blocks `IN00`, `M00`, `OUT00`. Every other
transformer has `BASE` and then its blocks in the table's order. A layer of no block (embeddings
of time, the last convolution) has weight 1.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from loradex.keys.architecture import Architecture
from loradex.keys.targets import Rows, Tree

BASE = "BASE"


def _numbered(name: str, numbers: Iterable[int]) -> list[str]:
    return [f"{name}{number:02}" for number in numbers]


_UNET = (BASE, *_numbered("IN", range(12)), "M00", *_numbered("OUT", range(12)))
UNET_LISTS: Mapping[int, Sequence[str]] = MappingProxyType({
    12: (BASE, *_numbered("IN", (4, 5, 7, 8)), "M00", *_numbered("OUT", range(6))),
    17: (BASE, *_numbered("IN", (1, 2, 4, 5, 7, 8)), "M00", *_numbered("OUT", range(3, 12))),
    20: (BASE, *_numbered("IN", range(9)), "M00", *_numbered("OUT", range(9))),
    26: _UNET,
})
"""By length: LoRA for SDXL, LoRA for SD1, everything for SDXL, everything for SD1."""

_UNET_PLACES = (("input_blocks.", "IN"), ("output_blocks.", "OUT"))
_FLUX = ("flux", "chroma")
_FLUX_LENGTH = 61
_FLUX_ENCODERS = {"clip": "CLIP", "t5": "T5"}
_FLUX_STACKS = {"double_blocks": "D", "single_blocks": "S"}
_STACK = re.compile(r"(.*?)\.(\d+)\.")
_LETTERS = "BCEFGHIJKLMN"


@dataclass(frozen=True, eq=False)
class Layout:
    """The blocks of a denoiser: `lists` are names by the length of a list of weights.

    `encoders` are the blocks of text encoders by their table's id, where they differ.
    """

    family: str
    names: tuple[str, ...]
    lists: Mapping[int, Sequence[str]]
    stacks: Mapping[str, str] = field(default_factory=dict)
    encoders: Mapping[str, str] = field(default_factory=dict)

    def spread(self, weights: Sequence[float]) -> dict[str, float] | None:
        """Block -> weight, 0 where the list has none; `None` where the length fits nothing.

        A list of equal values that is another family's, such as the preset `ALL`, means every
        block.
        """
        names = self.lists.get(len(weights))
        if names is not None:
            return {**dict.fromkeys(self.names, 0.0), **dict(zip(names, weights, strict=True))}
        if len(set(weights)) == 1 and len(weights) in (*UNET_LISTS, _FLUX_LENGTH):
            return dict.fromkeys(self.names, weights[0])
        return None


class Spot(NamedTuple):
    """A leaf as block weights see it: its rows in its module, its block, and its name."""

    rows: Rows | None
    block: str
    text: str


@lru_cache(maxsize=32)
def layout_of(architecture: Architecture) -> Layout:
    """The blocks of the denoiser that has this table."""
    native = [leaf.native.module for leaf in architecture.leaves]
    if any(name.startswith(_UNET_PLACES[0][0]) for name in native):
        return Layout("a UNet", _UNET, UNET_LISTS)
    stacks = _stacks(native)
    if architecture.id in _FLUX:  # Chroma's guidance has layers of its own, and they no weights
        stacks = {stack: name for stack, name in stacks.items() if stack in _FLUX_STACKS}
    counted = [f"{stacks[stack]}{number:02}" for stack, number in _blocks(native, stacks)]
    if architecture.id in _FLUX:
        names = ("CLIP", "T5", "IN", *counted, "OUT")
        return Layout("Flux", names, {len(names): names}, stacks, _FLUX_ENCODERS)
    names = (BASE, *counted)
    return Layout(architecture.id, names, {len(names): names}, stacks)


@lru_cache(maxsize=64)
def spots_of(
    layout: Layout, architecture: Architecture, tree: Tree
) -> Mapping[str, tuple[Spot, ...]]:
    """Module of a tree -> what is in it, in the order of the rows."""
    found: dict[str, list[Spot]] = {}
    for leaf in architecture.leaves:
        place, native = leaf.place(tree), leaf.native.module
        if architecture.component == "te":
            block = layout.encoders.get(architecture.id, "" if layout.encoders else BASE)
            text = leaf.diffusers.module  # as kohya's names of text encoders
        else:
            block, text = _block(layout, native), f"diffusion_model.{native}"
        found.setdefault(place.module, []).append(
            Spot(place.rows, block, text.replace(".", "_")))
    return {name: tuple(sorted(spots, key=_start)) for name, spots in found.items()}


def spot_at(spots: Sequence[Spot], rows: Rows | None) -> Spot:
    """What rows of a module are: a leaf, or several leaves of one block."""
    start = 0 if rows is None else rows.start
    inside = [spot for spot in spots if spot.rows is None or (
        spot.rows.stop > start and (rows is None or spot.rows.start < rows.stop))]
    return Spot(rows, inside[0].block, " ".join(dict.fromkeys(spot.text for spot in inside)))


def _start(spot: Spot) -> int:
    return 0 if spot.rows is None else spot.rows.start


def _block(layout: Layout, native: str) -> str:
    if not layout.stacks:
        return _unet_block(native)
    place = _STACK.match(native)
    if place and place[1] in layout.stacks:
        return f"{layout.stacks[place[1]]}{int(place[2]):02}"
    if not layout.encoders:
        return ""
    if native.startswith("final_layer."):
        return "OUT"
    return "IN" if "_in." in f"{native}." else ""


def _unet_block(native: str) -> str:
    for prefix, name in _UNET_PLACES:
        if native.startswith(prefix):
            return f"{name}{int(native.removeprefix(prefix).partition('.')[0]):02}"
    return "M00" if native.startswith("middle_block.") else ""


def _stacks(native: Sequence[str]) -> dict[str, str]:
    """The lists of blocks of a transformer, and a letter for each; in the table's order.

    A block holds more than one layer: lists of single layers are no blocks.
    """
    layers = Counter((place[1], int(place[2])) for place in map(_STACK.match, native) if place)
    sizes = Counter(stack for stack, _ in layers)
    whole = [stack for stack, size in sizes.items()
             if all(layers[stack, number] > 1 for number in range(size))]
    others = [stack for stack in whole if stack not in _FLUX_STACKS]
    letters = dict(zip(sorted(others, key=lambda one: -sizes[one]), _LETTERS, strict=False))
    return {stack: _FLUX_STACKS.get(stack) or letters[stack] for stack in whole}


def _blocks(native: Iterable[str], stacks: Mapping[str, str]) -> list[tuple[str, int]]:
    found = ((place[1], int(place[2])) for place in map(_STACK.match, native) if place)
    return list(dict.fromkeys(one for one in found if one[0] in stacks))
