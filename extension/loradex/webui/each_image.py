"""Batches whose images name other networks: the tags of each, and prompts read image by image.

The WebUI takes the tags of a batch's first prompt for all of it (modules/extra_networks.py,
`parse_prompts`), and encodes equal prompts once.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from loradex.webui.hosts.host import CONDITIONING_CACHES, Host


def params_by_image(processing: Any, handler: Any) -> list[list[Any]]:
    """The tags of each image of the batch; nothing where they are the same or not known."""
    from modules import extra_networks

    texts = _prompts(processing)
    first = processing.iteration * processing.batch_size
    hires = bool(getattr(processing, "is_hr_pass", False))
    written = getattr(processing, "all_hr_prompts" if hires else "all_prompts", None) or []
    parsed = [extra_networks.parse_prompt(one) for one in written[first : first + len(texts)]]
    if [text for text, _ in parsed] != texts:  # a script has changed them on the way
        return []
    found = [extra_networks.lookup_extra_networks(data).get(handler, []) for _, data in parsed]
    return found if len({tuple(map(_words, params)) for params in found}) > 1 else []


def why_not(processing: Any, host: Host) -> str:
    """Why the images of this batch cannot have networks of their own, or nothing."""
    from modules import lowvram, prompt_parser, shared

    if not host.draws_image_by_image:
        return f"this version of {host.name} tells no script before it samples"
    if getattr(processing, "refiner_checkpoint", None) not in (None, "", "None", "none"):
        return "a refiner takes over in the middle"
    if lowvram.is_enabled(shared.sd_model):
        return "the text encoders are moved out of the way (--medvram, --lowvram)"
    parts = prompt_parser.get_multicond_prompt_list(_prompts(processing))[0]
    if any(len(one) > 1 for one in parts):
        return "AND is in a prompt"
    return ""


def read_again(processing: Any, c: Any, uc: Any, encode: Callable[[int], None]) -> None:
    """Makes the conditionings of a batch anew, each image's with its own text encoders.

    `c` and `uc` are what the sampler is about to use: `c.batch` and `uc` have an item per image;
    Forge reads no negative prompts where CFG is 1. Each image becomes a batch of its own for the
    WebUI's own functions.
    """
    for image in range(len(c.batch)):
        encode(image)
        c.batch[image], negative = _alone(processing, image)
        if uc is not None:
            uc[image] = negative


def _alone(processing: Any, image: int) -> tuple[Any, Any]:
    """The positive and the negative conditioning of one image."""
    one = copy.copy(processing)
    for name in CONDITIONING_CACHES:
        setattr(one, name, [None, None])
    if getattr(one, "is_hr_pass", False):
        one.hr_prompts = [processing.hr_prompts[image]]
        one.hr_negative_prompts = [processing.hr_negative_prompts[image]]
        one.hr_c = one.hr_uc = None
        one.calculate_hr_conds()
        return one.hr_c.batch[0], _first(one.hr_uc)
    one.prompts = [processing.prompts[image]]
    one.negative_prompts = [processing.negative_prompts[image]]
    one.enable_hr = False
    one.setup_conds()
    return one.c.batch[0], _first(one.uc)


def _first(conditionings: Any) -> Any:
    return None if conditionings is None else conditionings[0]


def _prompts(processing: Any) -> list[str]:
    """The prompts of this batch and pass, without tags."""
    hires = bool(getattr(processing, "is_hr_pass", False))
    return list((processing.hr_prompts if hires else processing.prompts) or [])


def _words(params: Any) -> tuple[str, ...]:
    return tuple(map(str, params.items))
