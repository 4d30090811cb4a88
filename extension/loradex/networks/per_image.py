"""Other networks for every image of one batch: the denoiser's recipes, image by image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from loradex.errors import IncompatibleNetworkError, InputError
from loradex.networks.model import DENOISERS, BoundModel, Place
from loradex.networks.plan import Plan
from loradex.networks.recipe import Recipe, StackEntry
from loradex.networks.storage import is_compiled, unbranchable


def of_denoiser(stack: Sequence[StackEntry]) -> list[StackEntry]:
    """The stack without its share of the text encoders, which encode one prompt at a time."""
    return [replace(entry, te_strength=0.0) for entry in stack]


def image_by_image(
    recipes: Sequence[Mapping[Place, Recipe]],
) -> dict[Place, tuple[Recipe | None, ...]]:
    """Place -> one recipe per image, `None` where an image has no network there."""
    places = {place: None for one in recipes for place in one}
    return {place: tuple(one.get(place) for one in recipes) for place in places}


def check_model(model: BoundModel) -> None:
    """Raises where nothing can be computed beside the denoiser's layers."""
    if is_compiled(model.components[model.denoiser].root):
        raise InputError(
            "networks of each image", "the model was compiled by torch",
            "a model whose layers are called one by one", "Load it without torch.compile.",
        )


def check_plan(plan: Plan) -> None:
    """Raises where a network changes a layer that all images of a batch must share."""
    for edit in plan.edits:
        place = edit.place
        if edit.component not in DENOISERS:
            continue
        why = unbranchable(place.module, place.holder, place.attribute)
        if why:
            raise IncompatibleNetworkError(
                plan.subject, f"it changes {'.'.join(place.key[:2])}, and {why}",
                "a network of layers that can differ from image to image",
                "Make its picture in a run of its own.",
            )
