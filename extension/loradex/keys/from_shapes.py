"""The table of a model of any size, derived from the names and shapes of its own tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from loradex.keys import clip, flux, sd3, t5, unet
from loradex.keys.architecture import Architecture
from loradex.keys.derivation import Config
from loradex.keys.read_dit import read_flux, read_sd3
from loradex.keys.read_text import read_clip, read_t5
from loradex.keys.read_unet import read_unet
from loradex.keys.targets import Shape, Tree

Shapes = Mapping[str, Shape]

UNKNOWN = -1
"""A side that a shape does not tell: the weight lies packed."""

TREES: tuple[Tree, ...] = ("native", "diffusers")


def _clip(config: Mapping[str, Any]) -> Architecture:
    return clip.clip_architecture(config, with_projection="projection_dim" in config)


_Read = Callable[[Shapes, Tree], "Config | None"]
_Build = Callable[[Config], Architecture]
_CLASSES: Mapping[str, tuple[tuple[_Read, _Build], ...]] = {
    "denoiser": (
        (read_unet, unet.unet_architecture), (read_sd3, sd3.sd3_architecture),
        (read_flux, flux.flux_architecture),
    ),
    "te": ((read_clip, _clip), (read_t5, t5.t5_architecture)),
}


def from_shapes(own: Shapes, role: str) -> tuple[Architecture, Tree] | None:
    """The table of a `denoiser` or `te` and the tree that its names are in, or None.

    `own` are the part's own names, without a prefix. Leaves of the table may be missing in it;
    none has another shape.
    """
    own = {name: shape for name, shape in own.items() if shape and 0 not in shape}
    for read, build in _CLASSES.get(role, ()):
        for tree in TREES:
            config = read(own, tree)
            if config is None or not _tells(config):
                continue
            table = _built(build, tuple(sorted(config.items())))
            if is_table_of(table, tree, own):
                return table, tree
    return None


def _tells(config: Config) -> bool:
    """Whether no number was read off a packed weight."""
    return not any(
        UNKNOWN in value if isinstance(value, tuple) else value == UNKNOWN
        for value in config.values()
    )


@lru_cache(maxsize=32)
def _built(build: _Build, config: tuple[tuple[str, Any], ...]) -> Architecture:
    """A derived table; one of the same sizes is the same object, whose name table is kept too."""
    return build(dict(config))


_MOST = 0.9
"""So many of a table's matrices must be there: a model may have been cut down."""


def is_table_of(table: Architecture, tree: Tree, own: Shapes) -> bool:
    """Whether a table holds for these tensors: most are there, none is of another shape."""
    there = matrices = 0
    for key, shape in _stored(table, tree):
        real = own.get(key)
        if real is not None and UNKNOWN not in real and real != shape:
            return False
        if len(shape) > 1:
            matrices += 1
            there += real is not None
    return there >= _MOST * matrices > 0


def _stored(table: Architecture, tree: Tree) -> Iterator[tuple[str, Shape]]:
    """Key -> shape of every weight of a table, as it is stored."""
    for name, module in table.modules(tree).items():
        yield f"{name}.{module.parameter}" if module.parameter else name, module.weight
