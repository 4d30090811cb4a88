"""Block weights on one model: what each edit's strength is multiplied by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from loradex.errors import PromptError
from loradex.keys.architecture import Architecture
from loradex.keys.blocks import Layout, Spot, layout_of, spot_at, spots_of
from loradex.networks.edits import Edit
from loradex.networks.model import BoundModel
from loradex.prompts.elements import ElementRule
from loradex.prompts.presets import Presets
from loradex.prompts.tags import LoraTag

_MOST_NAMED = 6


@dataclass(frozen=True)
class BlockWeights:
    """Weights by block, and rules that are stronger; equal ones are equal whatever the model.

    A layer of no block, and one of a block that has no weight here, is multiplied by 1.
    """

    blocks: tuple[tuple[str, float], ...] = ()
    rules: tuple[ElementRule, ...] = ()
    _places: _Places = field(default_factory=lambda: _Places({}), compare=False, repr=False)
    _known: dict[tuple[object, ...], float] = field(
        default_factory=dict, compare=False, repr=False)

    def of(self, edit: Edit) -> float:
        """What the strength of an edit is multiplied by."""
        key = (edit.key[2], edit.key[3], edit.component)
        if key not in self._known:
            self._known[key] = self._weight(self._places.spot(edit))
        return self._known[key]

    def _weight(self, spot: Spot | None) -> float:
        if spot is None:
            return 1.0
        weight = dict(self.blocks).get(spot.block, 1.0)
        text = spot.text + spot.block
        for rule in self.rules:
            if rule.matches(text, self._places.order):
                weight = rule.weight
        return weight


class _Places:
    """Where in the blocks of a model its edits are."""

    def __init__(self, parts: Mapping[str, tuple[Architecture, Mapping[str, tuple[Spot, ...]]]],
                 layout: Layout | None = None) -> None:
        self.parts, self.layout = parts, layout
        self.order: Sequence[str] = () if layout is None else layout.names

    def spot(self, edit: Edit) -> Spot | None:
        part = self.parts.get(edit.component)
        spots = None if part is None else part[1].get(edit.key[2])
        return spot_at(spots, edit.rows) if spots else None


def block_weights(tag: LoraTag, presets: Presets, model: BoundModel) -> BlockWeights | None:
    """The block weights that a tag asks for on a model; `None` where it asks for none.

    Raises:
        PromptError: an unknown preset, a value that is no weight, a list of a length that the
            model's family does not have.
    """
    if not tag.lbw and not tag.lbwe:
        return None
    shown = tag.text or f"<lora:{tag.name}>"
    rules = presets.elements(tag.lbwe, shown) if tag.lbwe else ()
    places = places_of(model)
    layout = places.layout
    if layout is None:
        raise PromptError(shown, f"block weights on {model.title}, whose blocks are not known", "",
                          "Leave them out.")
    for rule in rules:
        if rule.unknown(layout.names):
            raise PromptError(shown, f"lbwe={tag.lbwe}: no blocks '{rule.unknown(layout.names)}'",
                              _sample(layout.names))
    weights = presets.weights(tag.lbw, shown, tag.lbw_x) if tag.lbw else None
    spread = {} if weights is None else _spread(tag, shown, layout, weights)
    return BlockWeights(tuple(spread.items()), rules, places)


def _spread(
    tag: LoraTag, shown: str, layout: Layout, weights: Sequence[float]
) -> dict[str, float]:
    spread = layout.spread(weights)
    if spread is None:
        lengths = " or ".join(map(str, layout.lists))
        names = next(iter(layout.lists.values()))
        raise PromptError(
            shown, f"lbw={_short(tag.lbw)} has {len(weights)} weights",
            f"{lengths} for {layout.family}"
            + (f": {_sample(names)}" if len(layout.lists) == 1 else ""))
    return spread


def places_of(model: BoundModel) -> _Places:
    """The blocks of a loaded model's parts."""
    denoiser = model.components.get(model.denoiser)
    if denoiser is None:
        return _Places({})
    layout = layout_of(denoiser.architecture)
    return _Places(
        {name: (part.architecture, spots_of(layout, part.architecture, part.tree))
         for name, part in model.components.items()}, layout)


def silenced(tag: LoraTag, weights: BlockWeights, count: int, edits: Sequence[Edit]) -> str:
    """What a list says nothing of and the network has: such blocks get 0, as users expect it.

    `count` is the length of the list.
    """
    layout = weights._places.layout
    names = () if layout is None else layout.lists.get(count, layout.names)
    found = {spot.block for edit in edits if (spot := weights._places.spot(edit)) is not None}
    missing = sorted(found - set(names) - {""})
    if not missing or not any(weight for _, weight in weights.blocks):
        return ""
    more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
    return (f"lbw={_short(tag.lbw)}: {', '.join(missing[:_MOST_NAMED])}{more} get 0; "
            f"a list of {count} has no place for them")


def _short(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:20]}..."


def _sample(names: Sequence[str]) -> str:
    return f"{names[0]}, {names[1]} ... {names[-1]}" if len(names) > 3 else ", ".join(names)
